"""Tasks of Dask's own that write: equal ones write as often as without the plugin."""

import pydoc
import sqlite3
from contextlib import closing
from pathlib import Path

import dask.bag as db
import dask.dataframe as dd
import pandas as pd
import pytest
from distributed.utils_test import gen_cluster

import stratum_dask
from stratum_dask.optimizations import Role
from stratum_dask.optimizations.purity import Judge
from stratum_dask.optimizations.purity.known import rule

HERE = "synchronous"
WRITERS = """
    dask.bag.core.partition dask.bag.core._to_textfiles_chunk
    dask.bag.avro._write_avro_part dask.array.core.load_store_chunk
    dask.dataframe.io.csv._write_csv dask.dataframe.io.hdf._pd_to_hdf
    dask.dataframe.io.json.write_json_partition dask.dataframe.io.sql._to_sql_chunk
    dask.dataframe.dask_expr._shuffle.DiskShuffle._shuffle_group
    dask.dataframe.io.parquet.core.ToParquetFunctionWrapper
    dask.dataframe.shuffle.maybe_buffered_partd
    dask.dataframe.dask_expr._shuffle._shuffle_transfer
"""


def three_equal(values):
    """A bag of three partitions that hold the same."""
    return db.Bag({("x", i): (list, values) for i in range(3)}, "x", 3)


def frame(i):
    return pd.DataFrame({"k": [1, 2, 3, 4], "v": [1.0, 2.0, 3.0, 4.0]})


def frames(n=3):
    """A dataframe of equal partitions."""
    return dd.from_map(frame, [0] * n, meta=frame(0))


@pytest.fixture(autouse=True)
def on():
    with stratum_dask.enabled():
        yield


@pytest.mark.parametrize("scheduler", ["synchronous", "threads", "processes"])
def test_shuffling_a_bag_by_way_of_the_disk(scheduler):
    groups = three_equal([0, 1, 2]).groupby(abs, shuffle="disk")
    found = dict(groups.compute(scheduler=scheduler))
    assert found == {0: [0] * 3, 1: [1] * 3, 2: [2] * 3}


@gen_cluster(
    client=True,
    config={
        "stratum.enabled": True,
        "stratum.retention.budget": "1 GB",
        "stratum.retention.min-seconds": 0,
    },
)
async def test_shuffles_by_way_of_the_workers_are_done_anew(c, s, a, b):
    """What was sent is gone: a transfer that is kept has nothing to give."""
    left, right = frames(2), frames(2).assign(w=1)
    for _ in range(3):
        shuffled = left.shuffle("k", shuffle_method="p2p", force=True)
        found = await c.compute(shuffled)
        assert sorted(found["v"]) == [1.0] * 2 + [2.0] * 2 + [3.0] * 2 + [4.0] * 2
        joined = left.merge(right, on="k", shuffle_method="p2p")
        assert len(await c.compute(joined)) == 16


def test_transfers_of_joins_act_on_the_cluster():
    merge = pytest.importorskip("dask.dataframe.dask_expr._merge")
    transfer = merge.create_assign_index_merge_transfer()
    assert Judge().task(transfer).role is Role.REFUSE


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_shuffling_frames_by_way_of_the_disk(scheduler):
    shuffled = frames().shuffle("k", shuffle_method="disk")
    found = shuffled.compute(scheduler=scheduler)
    assert sorted(found["v"]) == [1.0] * 3 + [2.0] * 3 + [3.0] * 3 + [4.0] * 3
    twice = dd.concat([frames(), shuffled]).compute(scheduler=scheduler)
    assert len(twice) == 24


@pytest.mark.parametrize("scheduler", ["synchronous", "processes"])
def test_rows_are_inserted_as_often_as_asked_for(tmp_path, scheduler):
    pytest.importorskip("sqlalchemy")
    file = tmp_path / "table.db"
    frames().to_sql(
        "t", f"sqlite:///{file}", index=False, compute_kwargs={"scheduler": scheduler}
    )
    with closing(sqlite3.connect(file)) as connection:
        (rows,) = connection.execute("select count(*) from t").fetchone()
    assert rows == 12


def test_every_file_is_written(tmp_path):
    names = three_equal(["a", "b"]).to_textfiles(
        str(tmp_path / "*.txt"), compute_kwargs={"scheduler": HERE}
    )
    assert [Path(n).read_text() for n in names] == ["a\nb"] * 3
    frames().to_parquet(tmp_path / "p", compute_kwargs={"scheduler": HERE})
    assert len(list((tmp_path / "p").glob("*.parquet"))) == 3
    frames().to_json(tmp_path / "*.json", compute_kwargs={"scheduler": HERE})
    assert len(list(tmp_path.glob("*.json"))) == 3


@pytest.mark.parametrize("name", WRITERS.split())
def test_whoever_writes_is_known_by_the_name_that_it_has(name):
    function = pydoc.locate(name)
    assert f"{function.__module__}.{function.__qualname__}" == name
    assert rule(name).role is Role.REFUSE
