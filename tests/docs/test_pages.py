"""Every code block of the documentation is run, and every link leads somewhere."""

import pytest
from docs_pages import LANGUAGES, OPTIONS, PAGES, ROOT, Page
from docs_runner import run_blocks

NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
SKIPPED = [block for path in PAGES for block in Page(path).blocks if "skip" in block.options]


@pytest.mark.parametrize("name", NAMES)
def test_the_code_of_a_page_runs(name, tmp_path):
    """In order, in a directory of its own, as a reader would."""
    run_blocks(Page(ROOT / name).blocks, tmp_path)


@pytest.mark.parametrize("block", SKIPPED, ids=str)
def test_a_block_that_cannot_run_here_says_why(block):
    """Its reason stands in the report of the run."""
    assert block.options["skip"]
    pytest.skip(f"{block}: {block.options['skip']}")


@pytest.mark.parametrize("name", NAMES)
def test_every_block_says_what_it_is(name):
    """A block of an unknown language would be skipped in silence."""
    for block in Page(ROOT / name).blocks:
        assert block.language in LANGUAGES, block
        assert set(block.options) <= OPTIONS, block
        assert block.language != "js" or "skip" in block.options, block  # nothing here runs it


@pytest.mark.parametrize("name", NAMES)
def test_links_within_the_repository_lead_somewhere(name):
    """To a file that exists and a heading that it has."""
    page = Page(ROOT / name)
    for link in page.links:
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (page.path.parent / file).resolve() if file else page.path
        assert target.exists(), f"{name}: {link}"
        if anchor:
            assert anchor in list(Page(target).anchors()), f"{name}: {link}"
