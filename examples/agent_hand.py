"""Write an agent's program in the agent's own hand.

Two hands differ in names of variables, remarks, docstrings, empty lines, the order of
functions and of keywords, and in whether a default is spelled out.
"""

import ast
import random
from collections.abc import Iterator
from pathlib import Path

from agents import BUILDERS, MODELS, STEPS, Agent, kind

__all__ = ["write"]

LIBRARY = Path(__file__).with_name("agent_steps.py")

# What agents call the same variable. No name may stand in two rows.
SYNONYMS = {
    "flights": ("flights", "flights_df", "trips"),
    "table": ("table", "df", "data", "frame"),
    "weather": ("weather", "weather_df", "wx"),
    "planes": ("planes", "planes_df", "aircraft"),
    "airports": ("airports", "airports_df", "fields"),
    "fold": ("fold", "part_of_data", "batch", "bundle"),
    "rows": ("rows", "X", "sub", "features"),
    "wanted": ("wanted", "columns", "cols", "keep"),
    "codes": ("codes", "mapping", "lookup"),
    "model": ("model", "reg", "estimator", "clf"),
    "filling": ("filling", "fill_values", "defaults"),
    "spread": ("spread", "scale", "denominator"),
    "dates": ("dates", "when", "ts"),
    "held_out": ("held_out", "mask", "is_test"),
    "scores": ("scores", "results", "r2s"),
}
REMARKS = (
    "# keep it simple",
    "# as discussed in the plan",
    "# robust against missing values",
    "# step by step",
    "# the next line is important",
    "# avoid leakage",
)
DOCSTRINGS = ("Do this step.", "Helper.", "See the plan above.", "Returns a new value.")
PLAN = """
def {build}(folder, every):
    {flights} = delayed(read_flights)(folder + "/flights.csv.zip")
    {flights} = delayed(sample_rows)({flights}, {every})
    {flights} = delayed(clean_flights)({flights})
    {weather} = delayed(clean_weather)(delayed(read_weather)(folder + "/weather.csv"))
    {table} = delayed(join_weather)({flights}, {weather})
    {table} = delayed(join_planes)({table}, delayed(read_planes)(folder + "/planes.csv"))
    {airports} = delayed(read_airports)(folder + "/airports.csv")
    {table} = delayed(join_airports)({table}, {airports})
    {table} = delayed(feature_{features})({table})
    {scores} = []
    for k in range(3):
        {fold} = delayed(split_fold)({table}, {folds})
        {fold} = delayed({impute})({fold})
        {fold} = delayed({encode})({fold})
        {fold} = delayed({scale})({fold})
        {model} = delayed({fit})({parameters})
        {scores}.append(delayed(score_fold)({model}, {fold}))
    return delayed(score_mean)({scores})
"""


def write(agent: Agent, seed: int) -> str:
    """The program of an agent; equal only for the same agent and seed."""
    dice = random.Random(f"{seed} {agent.name}")
    hand = {name: dice.choice(words) for name, words in SYNONYMS.items()}
    plan = _plan(agent, hand, dice)
    library = ast.parse(LIBRARY.read_text())
    library.body = _needed(library.body, ast.parse(plan))
    imports, functions = [], []
    for node in library.body:
        (functions if isinstance(node, ast.FunctionDef) else imports).append(node)
    dice.shuffle(functions)
    for function in functions:
        _restyle(function, hand, dice)
    texts = [ast.unparse(ast.Module(imports, []))]
    texts += [_with_remarks(ast.unparse(f), dice) for f in functions]
    header = f'"""{agent.name}: {agent.features} features, {agent.model}."""\n'
    gap = "\n" * dice.randint(2, 3)
    return gap.join([header + "from dask import delayed", *texts, plan.strip()]) + "\n"


def _plan(agent: Agent, hand: dict[str, str], dice: random.Random) -> str:
    impute, encode, scale = agent.preparation
    parameters = list(agent.parameters.items())
    default = MODELS[agent.model][0]
    if dice.random() < 0.5:  # leave out what is the default
        parameters = [p for p in parameters if default[p[0]] != p[1]]
    dice.shuffle(parameters)
    spelled = [hand["fold"], *(f"{name}={value}" for name, value in parameters)]
    return PLAN.format(
        build=dice.choice(BUILDERS),
        features=agent.features,
        impute=impute,
        encode=encode,
        scale=scale,
        fit=agent.model,
        parameters=", ".join(spelled),
        every=dice.choice(("every", "every=every")),
        folds=dice.choice(("k", "index=k", "k, 3", "k, folds=3", "folds=3, index=k")),
        **{name: word for name, word in hand.items() if "{" + name + "}" in PLAN},
    )


def _needed(library: list[ast.stmt], plan: ast.Module) -> list[ast.stmt]:
    """The imports, and what the plan refers to, and what that refers to."""
    by_name: dict[str, ast.stmt] = {}
    imports = []
    for node in library:
        if isinstance(node, ast.FunctionDef):
            by_name[node.name] = node
        elif isinstance(node, ast.Assign):
            by_name[ast.unparse(node.targets[0])] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
    waiting, found = set(_names(plan)), set()
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in found:
            found.add(name)
            waiting |= set(_names(by_name[name]))
    return [*imports, *(node for name, node in by_name.items() if name in found)]


def _names(tree: ast.AST) -> Iterator[str]:
    return (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def _restyle(
    function: ast.FunctionDef, hand: dict[str, str], dice: random.Random
) -> None:
    if kind(function.name) not in STEPS:
        # A helper's parameters are how others call it: they keep their names.
        kept = {argument.arg for argument in function.args.args}
        hand = {name: word for name, word in hand.items() if name not in kept}
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            node.id = hand.get(node.id, node.id)
        elif isinstance(node, ast.arg):
            node.arg = hand.get(node.arg, node.arg)
    if ast.get_docstring(function):
        del function.body[0]
    if dice.random() < 0.4:
        text = ast.Constant(dice.choice(DOCSTRINGS))
        function.body.insert(0, ast.Expr(text))


def _with_remarks(text: str, dice: random.Random) -> str:
    """Put remarks and empty lines between the statements of a function."""
    lines = []
    for line in text.splitlines():
        if lines and line.strip() and not line.strip().startswith('"""'):
            indent = line[: len(line) - len(line.lstrip())]
            chance = dice.random()
            if chance < 0.15:
                lines.append(indent + dice.choice(REMARKS))
            elif chance < 0.25:
                lines.append("")
        lines.append(line)
    return "\n".join(lines)
