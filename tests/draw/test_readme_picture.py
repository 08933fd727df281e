from pathlib import Path

import pytest

from demos.make_readme_picture import main
from tests.draw.test_picture import needs_dot


@needs_dot
@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_the_picture_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, start: bytes) -> None:
    file = tmp_path / "images" / f"lstm.{suffix}"
    main([str(file)])
    assert file.read_bytes().startswith(start)
    assert capsys.readouterr().out == f"wrote {file}\n"


def test_what_is_wrong_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit):
        main(["lstm.gif"])
    assert "lstm.gif: the name must end in .svg or .png" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.metadata.files", lambda name: None)
    monkeypatch.setattr("graphviz.backend.dot_command.DOT_BINARY", Path("dot"))
    with pytest.raises(SystemExit):
        main([str(tmp_path / "lstm.svg")])
    assert "neither dot nor graphviz-pure was found" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
