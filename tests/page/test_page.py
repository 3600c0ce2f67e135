"""The pages of a report and of a search in a browser: no request, no error, keys, figures that answer, both widths, light and dark, paper, no script.

    make test-page PEER_PYTHON=python3

Needs playwright (PyPI) for that Python and Chromium (Debian's package); without them it is skipped, by name. The programs lie
in target/release, or where SUPERCONV_BIN says. With SCREENSHOTS=DIR the pictures are left there, to be looked at.
"""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = pathlib.Path(os.environ.get("SUPERCONV_BIN", ROOT / "target" / "release"))
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
MISSING = [
    name
    for name, found in [("playwright", importlib.util.find_spec("playwright")), ("chromium", CHROMIUM)]
    if not found
]


def run_in(folder):
    """Runs a program there."""

    def run(program, *arguments):
        subprocess.run([str(PROGRAMS / program), *map(str, arguments)], cwd=folder, check=True, capture_output=True)

    return run


def make_search(folder):
    """One step of a search, which momentum is best, on the data of the study beside it, and its page."""
    run = run_in(folder)
    shared = ["--data", "data.safetensors", "--batch-size", "16", "--quiet"]
    cycle = ["--schedule", "1cycle", "--max-lr", "1e-3", "--iterations", "12", "--validation-only"]
    run("sc-train", *shared, *cycle, "--init", "init1.safetensors", "--out", "runs/calibration")
    run("sc-search", "start", "runs/calibration", "--budget", "2500it", "--out", "start.json")
    step = [PROGRAMS, PROGRAMS, "--data", "data.safetensors", "--device", "cpu", "--quiet", "--"]
    asked = ["momentum", "--recipe", "start.json", "--init", "init%.safetensors", "--seeds", "1", "--runs", "runs/momentum"]
    run(ROOT / "pipelines/search-step", *step, *asked, "--out", "next.json")
    run("sc-analyze", "report", "--recipe", "next.json", "--out", "search", "--title", "A <small> search")
    return folder / "search/index.html"


def make_report(folder):
    """A small study: two arms, two seeds, range tests of all kinds, and a page of them."""
    run = run_in(folder)
    run("sc-prep", "mnist", ROOT / "data/mnist5k", "--limit-per-class", "30", "--out", "data.safetensors")
    runs = []
    for seed in ["1", "2"]:
        init = f"init{seed}.safetensors"
        run("sc-init", "--net", "lenet", "--data", "data.safetensors", "--seed", seed, "--out", init)
        shared = ["--data", "data.safetensors", "--init", init, "--batch-size", "16", "--seed", seed, "--quiet"]
        runs += [f"runs/range-{seed}", f"runs/1cycle-{seed}", f"runs/piecewise-{seed}"]
        # Around the critical rate, which is measured; and on a linear scale.
        kind = [] if seed == "1" else ["--scale", "linear", "--min-lr", "0", "--max-lr", "0.1"]
        run("sc-rangetest", *shared, *kind, "--iterations", "60", "--out", runs[-3])
        training = ["--iterations", "40", "--val-from-train", "0.2", "--val-every", "4"]
        run("sc-train", *shared, *training, "--schedule", "1cycle", "--max-lr", "0.004", "--arm", "1cycle", "--out", runs[-2])
        drops = ["--schedule", "piecewise", "--lr", "0.002", "--drop-at", "0.5", "--drop-factor", "0.1"]
        run("sc-train", *shared, *training, *drops, "--arm", "piecewise", "--out", runs[-1])
    run("sc-analyze", "report", *runs, "--out", "report", "--title", "A <small> study")
    return folder / "report/index.html"


@unittest.skipIf(MISSING, f"not installed: {', '.join(MISSING)}")
class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        from playwright.sync_api import sync_playwright

        cls.temporary = tempfile.TemporaryDirectory()
        cls.path = make_report(pathlib.Path(cls.temporary.name))
        cls.search = make_search(pathlib.Path(cls.temporary.name))
        cls.playwright = sync_playwright().start()
        cls.browser = cls.playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.playwright.stop()
        cls.temporary.cleanup()

    def open(self, width=1200, scheme="light", script=True, path=None):
        context = self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
        )
        self.addCleanup(context.close)
        page = context.new_page()
        self.said, self.requests = [], []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto((path or self.path).as_uri())
        if script:
            page.wait_for_selector("figure .chart svg")
        return page

    def keep(self, page, name):
        folder = os.environ.get("SCREENSHOTS")
        if folder:
            page.screenshot(path=str(pathlib.Path(folder) / f"{name}.png"), full_page=True)

    def test_nothing_is_requested_and_nothing_goes_wrong_at_any_width_light_and_dark(self):
        cases = [(width, scheme) for width in [390, 1200] for scheme in ["light", "dark"]]
        for name, path in [("report", self.path), ("search", self.search)]:
            for width, scheme in cases:
                page = self.open(width, scheme, path=path)
                for chart in page.query_selector_all(".chart"):
                    chart.hover()
                self.assertEqual(self.requests, [path.as_uri()])
                self.assertEqual(self.said, [])
                self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), width, "nothing sticks out")
                drawn = page.evaluate("[...document.querySelectorAll('figure[data-chart] .chart > svg')].length")
                self.assertEqual(drawn, page.evaluate("document.querySelectorAll('figure[data-chart]').length"))
                self.keep(page, f"{name}-{scheme}-{width}")

    def test_keys_read_values_and_say_them(self):
        page = self.open()
        figure = page.locator("figure[data-chart=range-test-log]")
        chart, live = figure.locator(".chart"), figure.locator("[aria-live]")
        chart.focus()
        page.keyboard.press("ArrowRight")
        first = live.text_content()
        self.assertRegex(first, r"^learning rate [\d.e-]+: range-1, training accuracy [\d.]+%$")
        page.keyboard.press("ArrowRight")
        second = live.text_content()
        self.assertNotEqual(first, second)
        page.keyboard.press("ArrowLeft")
        self.assertEqual(live.text_content(), first)
        page.keyboard.press("ArrowDown")
        self.assertIn("range-1, validation accuracy", live.text_content())
        page.keyboard.press("End")
        page.keyboard.press("ArrowRight")
        self.assertIn("range-1", live.text_content(), "the end is the end")
        self.assertTrue(figure.locator(".readout mark").is_visible())
        page.keyboard.press("Escape")
        self.assertIn("Point at the figure", figure.locator(".readout").text_content())

    def test_the_pointer_reads_the_nearest_line(self):
        page = self.open()
        figure = page.locator("figure[data-chart=curves-40]")
        figure.locator(".chart").hover(position={"x": 250, "y": 100})
        self.assertRegex(figure.locator(".readout b").text_content(), r"^step \d+$")
        self.assertRegex(figure.locator(".readout mark").text_content(), r"^(1cycle|piecewise), training loss")
        self.assertEqual(figure.locator("[aria-live]").text_content(), "", "a pointer says nothing aloud")

    def test_scales_units_and_lines_change_the_figure(self):
        page = self.open()
        figure = page.locator("figure[data-chart=curves-40]")
        label = lambda: figure.locator(".chart svg").first.text_content()
        self.assertIn("step", label())
        figure.locator("select").select_option("images")
        self.assertIn("images", label())
        self.assertIn("600", label(), "40 steps of 16 images")
        figure.get_by_label("log x").check()
        self.assertIn("images (log scale)", label())
        lines = lambda: figure.locator(".chart svg path[stroke-width='2']").count()
        before = lines()
        button = figure.get_by_role("button", name="piecewise")
        button.click()
        self.assertEqual(figure.get_by_role("button", name="piecewise").get_attribute("aria-pressed"), "false")
        self.assertEqual(lines(), before - 3)

    def test_runs_are_sorted_filtered_and_picked(self):
        page = self.open()
        names = lambda: [cell.strip() for cell in page.locator("#runs tbody tr:not([hidden]) td:first-child").all_text_contents()]
        lines = lambda: page.locator("#every-run .chart svg path[stroke-width='2']").count()
        self.assertEqual((len(names()), lines()), (6, 6))
        header = page.locator("#runs th", has_text="name").first
        header.get_by_role("button").click()
        self.assertEqual(names(), sorted(names()))
        header.get_by_role("button").click()
        self.assertEqual(names(), sorted(names(), reverse=True))
        self.assertEqual(header.get_attribute("aria-sort"), "descending")
        page.locator("input[type=search]").fill("piecewise")
        self.assertEqual((names(), lines()), (["piecewise-2", "piecewise-1"], 2))
        page.get_by_label("show piecewise-1").uncheck()
        self.assertEqual(lines(), 1)
        page.locator("#every-run select").first.select_option("validation accuracy")
        self.assertIn("%", page.locator("#every-run .chart svg").first.text_content())
        page.locator("#every-run input[type=range]").fill("0.5")
        self.assertEqual(page.locator("#every-run .chart svg path[opacity='0.3']").count(), 1, "raw behind smoothed")

    def test_kinds_of_ramps_have_colours_of_their_own(self):
        page = self.open()
        figure = page.locator("figure[data-chart=range-test-log]")
        colors = lambda of: set(of.evaluate_all("all => all.map(line => line.getAttribute('stroke'))"))
        buttons = {name: colors(figure.get_by_role("button", name=name).locator("path")) for name in ["range-1", "range-2"]}
        self.assertEqual(buttons, {"range-1": {"#E69F00"}, "range-2": {"#009E73"}})
        caption = figure.locator("figcaption").text_content()
        self.assertIn("Ramps: orange: around the critical rate, green: linear ramps.", caption)
        drawn = page.locator("#every-run .chart svg path[stroke-width='2']")
        self.assertLessEqual({"#E69F00", "#009E73"}, colors(drawn), "and so they are among all runs")

    def test_a_search_answers_like_a_study(self):
        page = self.open(path=self.search)
        text = page.locator("body").inner_text()
        for word in ["Asked", "Found", "How sure", "Which momentum trains lenet on data best, within a budget of 2500it?", "sc-train --replay runs/momentum/"]:
            self.assertIn(word, text)
        figure = page.locator("figure[data-chart=momentum-losses]")
        figure.locator(".chart").focus()
        page.keyboard.press("ArrowRight")
        self.assertRegex(figure.locator("[aria-live]").text_content(), r"^step [\d.]+: [\d.-]+, training loss [\d.]+$")
        self.assertEqual(figure.locator(".chart svg path[stroke-width='3']").count(), 1, "the choice is bold")
        figure.locator("select").select_option("epoch")
        self.assertIn("epoch", figure.locator(".chart svg").first.text_content())
        rows = page.locator("#runs tbody tr").count()
        self.assertEqual(page.locator("#every-run .chart svg path[stroke-width='2']").count(), rows)
        self.assertGreater(rows, 4)

    def test_without_a_script_all_of_it_is_there(self):
        for path in [self.path, self.search]:
            page = self.open(script=False, path=path)
            undrawn = page.locator("figure:not(#every-run):not(:has(> svg))").count()
            self.assertEqual(undrawn, 0, "every figure is drawn")
        page = self.open(script=False)
        text = page.locator("body").inner_text()
        for word in ["Asked", "Found", "How sure", "sc-train --replay runs/1cycle-1/run.json", "SHA-256"]:
            self.assertIn(word, text)
        self.assertEqual(page.locator("figure[data-chart] > svg").count(), page.locator("figure[data-chart]").count())
        self.assertGreater(page.locator("figure[data-chart] details tr").count(), 40, "a table behind a figure")
        self.keep(page, "no-script")

    def test_it_prints(self):
        page = self.open()
        page.emulate_media(media="print")
        self.assertFalse(page.locator(".controls").first.is_visible())
        self.assertTrue(page.locator("#runs td").first.is_visible())
        pages = page.pdf(format="A4").count(b"/Type /Page\n")
        self.assertGreater(pages, 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
