import pytest

from holdfast.errors import DataError
from holdfast.recording.progress import Intent, Range, load, read_status, save


def test_progress_comes_back_whole(tmp_path):
    path = tmp_path / "progress.json"
    fresh = load(path)
    assert fresh.intent is None
    assert load(path).recorder != fresh.recorder  # nothing was saved, so it is another recorder
    intent = Intent("aa-1", (Range("w0/00000001.seg", "0102", 17, 99),))
    saved = type(fresh)(recorder="aa", offsets={"0102": 17}, intent=intent, watermark=1.5)
    save(path, saved)
    assert load(path) == saved
    assert [file.name for file in tmp_path.iterdir()] == ["progress.json"]


def test_damaged_progress_is_not_taken_for_a_fresh_start(tmp_path):
    path = tmp_path / "progress.json"
    path.write_text("{")
    with pytest.raises(DataError) as caught:
        load(path)
    assert caught.value.code == "recording.progress"


def test_before_the_first_batch_there_is_no_status(tmp_path):
    assert read_status(tmp_path) is None
