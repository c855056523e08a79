"""scikit-learn's searches and cross-validations, as graphs of their steps."""
