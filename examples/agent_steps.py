"""What the agents of the example have learnt to write.

Every agent copies the steps it wants into a program of its own, see ``agent_hand.py``;
nothing here is imported by what runs. A step's kind is the first word of its name.
Steps that write into what they were given are meant to be here: agents write them.
"""

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import ElasticNet, Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import OneHotEncoder

TARGET = "arr_delay"
CATEGORIES = ["carrier", "origin", "dest", "engine"]
FLIGHTS = [
    *("month", "day", "dep_delay", TARGET, "carrier", "tailnum", "origin", "dest"),
    *("distance", "sched_dep_time", "sched_arr_time", "time_hour"),
]
WEATHER = [
    *("origin", "time_hour", "temp", "humid", "wind_speed", "wind_gust"),
    *("precip", "pressure", "visib"),
]
BASIC = ["dep_delay", "distance", "hour", "month"]
EARTH_RADIUS = 3959.0
NEW_YORK = (40.7, -73.9)


def read_flights(path):
    return pd.read_csv(path, usecols=FLIGHTS)


def read_weather(path):
    return pd.read_csv(path, usecols=WEATHER)


def read_planes(path):
    return pd.read_csv(path, usecols=["tailnum", "year", "seats", "engine"])


def read_airports(path):
    return pd.read_csv(path, usecols=["faa", "lat", "lon", "alt"])


def sample_rows(flights, every):
    return flights.iloc[::every].reset_index(drop=True)


def clean_flights(flights):
    table = flights.dropna(subset=[TARGET, "dep_delay"]).reset_index(drop=True)
    table[TARGET] = table[TARGET].clip(-60, 300)
    table["hour"] = minutes(table["sched_dep_time"]) / 60
    return table


def minutes(clock):
    return clock // 100 * 60 + clock % 100


def clean_weather(weather):
    table = weather.drop_duplicates(["origin", "time_hour"])
    table = table.sort_values(["origin", "time_hour"]).reset_index(drop=True)
    measured = ["temp", "humid", "wind_speed", "pressure", "visib"]
    table[measured] = table.groupby("origin")[measured].ffill(limit=3)
    table["wind_gust"] = table["wind_gust"].fillna(table["wind_speed"])
    return table


def join_weather(flights, weather):
    return flights.merge(weather, on=["origin", "time_hour"], how="left")


def join_planes(flights, planes):
    planes = planes.rename(columns={"year": "built"})
    return flights.merge(planes, on="tailnum", how="left")


def join_airports(flights, airports):
    airports = airports.rename(columns={"faa": "dest"})
    return flights.merge(airports, on="dest", how="left")


def feature_calendar(table):
    dates = pd.to_datetime(table["time_hour"])
    table["weekday"] = dates.dt.day_of_week
    table["weekend"] = (table["weekday"] >= 5).astype("int8")
    table["season"] = np.cos(2 * np.pi * dates.dt.day_of_year / 365)
    table["rush"] = table["hour"].between(16, 20).astype("int8")
    wanted = [*BASIC, "weekday", "weekend", "season", "rush"]
    return table[[*wanted, "carrier", "origin", TARGET]]


def feature_weather(table):
    table = table.copy()
    table["wet"] = (table["precip"] > 0).astype("int8")
    table["low_sight"] = np.maximum(0, 10 - table["visib"])
    table["gusts"] = table["wind_gust"] - table["wind_speed"]
    table["muggy"] = table["temp"] * table["humid"] / 100
    wanted = [*BASIC, "temp", "wind_speed", "precip", "pressure"]
    wanted += ["wet", "low_sight", "gusts", "muggy"]
    return table[[*wanted, "carrier", "origin", TARGET]]


def feature_route(table):
    table = table.copy()
    table["haul"] = arc(table["lat"], table["lon"])
    table["planned"] = planned(table["sched_dep_time"], table["sched_arr_time"])
    table["pace"] = table["distance"] / table["planned"]
    table["traffic"] = table.groupby("dest")["hour"].transform("size")
    wanted = [*BASIC, "haul", "planned", "pace", "traffic", "alt"]
    return table[[*wanted, "carrier", "origin", "dest", TARGET]]


def feature_route_in_place(table):
    table["haul"] = arc(table["lat"], table["lon"])
    table["planned"] = planned(table["sched_dep_time"], table["sched_arr_time"])
    table["pace"] = table["distance"] / table["planned"]
    table["traffic"] = table.groupby("dest")["hour"].transform("size")
    wanted = [*BASIC, "haul", "planned", "pace", "traffic", "alt"]
    return table[[*wanted, "carrier", "origin", "dest", TARGET]]


def feature_everything(table):
    dates = pd.to_datetime(table["time_hour"])
    table["weekday"] = dates.dt.day_of_week
    table["season"] = np.cos(2 * np.pi * dates.dt.day_of_year / 365)
    table["planned"] = planned(table["sched_dep_time"], table["sched_arr_time"])
    table["haul"] = arc(table["lat"], table["lon"])
    table["age"] = 2013 - table["built"]
    table["crowd"] = table.groupby(["origin", "time_hour"])["day"].transform("size")
    wanted = [*BASIC, "weekday", "season", "planned", "haul", "age", "crowd"]
    wanted += ["seats", "temp", "humid", "wind_speed", "precip", "visib"]
    return table[[*wanted, *CATEGORIES, TARGET]]


def planned(departure, arrival):
    return (minutes(arrival) - minutes(departure)) % 1440 + 1


def arc(latitude, longitude):
    """Miles from New York along the great circle."""
    here = np.radians(NEW_YORK)
    there = np.radians(latitude), np.radians(longitude)
    half = np.sin((there[0] - here[0]) / 2) ** 2
    half += np.cos(here[0]) * np.cos(there[0]) * np.sin((there[1] - here[1]) / 2) ** 2
    return 2 * EARTH_RADIUS * np.arcsin(np.sqrt(half))


def split_fold(table, index, folds=3):
    held_out = np.arange(len(table)) % folds == index
    rows = table.drop(columns=TARGET)
    answer = table[TARGET].to_numpy("float32")
    return {
        "train": rows[~held_out],
        "test": rows[held_out],
        "train_y": answer[~held_out],
        "test_y": answer[held_out],
    }


def impute_median(fold):
    numbers = fold["train"].select_dtypes("number").columns
    filling = fold["train"][numbers].median()
    return filled(fold, filling)


def impute_mean(fold):
    numbers = fold["train"].select_dtypes("number").columns
    filling = fold["train"][numbers].mean()
    return filled(fold, filling)


def filled(fold, filling):
    fold = dict(fold)
    for part in ("train", "test"):
        rows = fold[part].copy()
        numbers = list(filling.index)
        rows[numbers] = rows[numbers].fillna(filling).astype("float32")
        words = [name for name in CATEGORIES if name in rows]
        rows[words] = rows[words].fillna("unknown")
        fold[part] = rows
    return fold


def encode_ordinal(fold):
    codes = {}
    for name in categorical(fold):
        levels = sorted(set(fold["train"][name]))
        codes[name] = {level: float(code) for code, level in enumerate(levels)}
    return as_arrays(fold, codes, -1.0)


def encode_target(fold, smoothing=20.0):
    codes = {}
    overall = float(fold["train_y"].mean())
    for name in categorical(fold):
        groups = pd.Series(fold["train_y"]).groupby(fold["train"][name].to_numpy())
        weight = groups.size() / (groups.size() + smoothing)
        codes[name] = (weight * groups.mean() + (1 - weight) * overall).to_dict()
    return as_arrays(fold, codes, overall)


def encode_onehot(fold, max_categories=12):
    words = categorical(fold)
    encoder = OneHotEncoder(
        max_categories=max_categories,
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
        dtype="float32",
    )
    encoder.fit(fold["train"][words])
    fold = dict(fold)
    for part in ("train", "test"):
        rows = fold[part]
        numbers = rows.drop(columns=words).to_numpy("float32")
        fold[part] = np.hstack([numbers, encoder.transform(rows[words])])
    return fold


def categorical(fold):
    return [name for name in CATEGORIES if name in fold["train"]]


def as_arrays(fold, codes, unknown):
    fold = dict(fold)
    for part in ("train", "test"):
        rows = fold[part].copy()
        for name, code in codes.items():
            rows[name] = rows[name].map(code).fillna(unknown)
        fold[part] = rows.to_numpy("float32")
    return fold


def scale_standard(fold):
    middle, spread = fold["train"].mean(axis=0), fold["train"].std(axis=0)
    spread[spread == 0] = 1
    train, test = (fold["train"] - middle) / spread, (fold["test"] - middle) / spread
    return {**fold, "train": train, "test": test}


def scale_robust(fold):
    low, middle, high = np.percentile(fold["train"], [10, 50, 90], axis=0)
    spread = (high - low).astype("float32")
    spread[spread == 0] = 1
    for part in ("train", "test"):
        fold[part] -= middle.astype("float32")
        fold[part] /= spread
    return fold


def fit_ridge(fold, alpha=1.0):
    return Ridge(alpha=alpha).fit(fold["train"], fold["train_y"])


def fit_elastic_net(fold, alpha=1.0, l1_ratio=0.5):
    model = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, max_iter=2000)
    return model.fit(fold["train"], fold["train_y"])


def fit_random_forest(fold, n_estimators=12, max_depth=10, min_samples_leaf=5):
    model = RandomForestRegressor(
        n_estimators=n_estimators,
        max_depth=max_depth,
        min_samples_leaf=min_samples_leaf,
        max_features=0.4,
        random_state=0,
        n_jobs=1,
    )
    return model.fit(fold["train"], fold["train_y"])


def fit_boosting(fold, max_iter=40, learning_rate=0.1, max_leaf_nodes=31):
    model = HistGradientBoostingRegressor(
        max_iter=max_iter,
        learning_rate=learning_rate,
        max_leaf_nodes=max_leaf_nodes,
        early_stopping=False,
        random_state=0,
    )
    return model.fit(fold["train"], fold["train_y"])


def score_fold(model, fold):
    return r2_score(fold["test_y"], model.predict(fold["test"]))


def score_mean(scores):
    return float(np.mean(scores))
