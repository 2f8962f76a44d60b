"""The runner notices what is wrong: a page that nobody runs would look right as well."""

import pytest
from docs_pages import Page
from docs_runner import BlockError, run_blocks


def page(tmp_path, text):
    """A page with this text."""
    path = tmp_path / "page.md"
    path.write_text(text)
    return Page(path)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nundefined\n```",
        "```pycon\n>>> 1 + 1\n3\n```",
        "```console\n$ false\n```",
        '```console exit="2"\n$ true\n```',
        "```console\n$ echo one\ntwo\n```",
        '```console background="ready"\n$ true\n```',
        '```python title="test_it.py"\ndef test_it():\n    assert False\n```',
    ],
    ids=["program", "session", "exit", "other-exit", "output", "background", "test"],
)
def test_a_block_that_does_not_do_what_it_shows_is_an_error(tmp_path, text):
    """Whatever kind it is."""
    with pytest.raises(BlockError):
        run_blocks(page(tmp_path, text).blocks, tmp_path)


@pytest.mark.parametrize(
    "text",
    ["```toml\na = = 1\n```", "```json\n{a: 1}\n```", "```ini\na\n```"],
    ids=["toml", "json", "ini"],
)
def test_a_file_that_cannot_be_read_is_an_error(tmp_path, text):
    """Each by its own parser."""
    with pytest.raises(Exception, match=r"."):
        run_blocks(page(tmp_path, text).blocks, tmp_path)


def test_blocks_share_names_and_files(tmp_path):
    """As for a reader who types one after the other."""
    text = (
        '```python title="one.py"\nnumber = 1\n```\n'
        "```python\nfrom one import number\n```\n"
        "```pycon\n>>> number + 1\n2\n```\n"
        "```console\n$ cat one.py\nnumber ...\n```\n"
        '```python title="test_one.py"\nimport one\ndef test_it():\n    assert one.number\n```\n'
    )
    run_blocks(page(tmp_path, text).blocks, tmp_path)


def test_a_skipped_block_is_not_run(tmp_path):
    """It has to say why."""
    blocks = page(tmp_path, '```console skip="needs Docker"\n$ false\n```').blocks

    run_blocks(blocks, tmp_path)
    assert blocks[0].options == {"skip": "needs Docker"}
