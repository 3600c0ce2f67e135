"""Whether other tools read what `sc-analyze export` writes: TensorBoard, pandas, polars, DVC, trackio, Ultralytics.

    make test-export PEER_PYTHON=python3

A tool that is not installed for that Python is skipped, by name. The programs lie in target/release, or where SUPERCONV_BIN
says; a small training run and a range test are made with them, and what a tool reads is held against their records.
"""

import csv
import importlib.util
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = pathlib.Path(os.environ.get("SUPERCONV_BIN", ROOT / "target" / "release"))
NAMES = ["digits/range", "digits/train"]


def needs(*modules):
    """Skips a test, by name, where a module is not installed."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return unittest.skipIf(missing, f"not installed: {', '.join(missing)}")


def single(number):
    """The number as TensorBoard's files keep it, in single precision."""
    return struct.unpack("<f", struct.pack("<f", number))[0]


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.run_program("sc-prep", "mnist", ROOT / "data/mnist5k", "--limit-per-class", "30", "--out", "data.safetensors")
        cls.run_program("sc-init", "--net", "lenet", "--data", "data.safetensors", "--seed", "1", "--out", "init.safetensors")
        inputs = ["--data", "data.safetensors", "--init", "init.safetensors", "--batch-size", "16", "--quiet"]
        cls.run_program("sc-rangetest", *inputs, "--iterations", "60", "--out", "runs/digits/range")
        held_out = ["--val-from-train", "0.2", "--val-every", "4", "--test-every", "20"]
        schedule = ["--schedule", "1cycle", "--max-lr", "0.002", "--iterations", "40"]
        cls.run_program("sc-train", *inputs, *schedule, *held_out, "--out", "runs/digits/train")
        cls.said = cls.run_program(
            "sc-analyze", "export", "runs/digits/*", "--tensorboard", "events", "--csv", "tables", "--parquet", "steps.parquet"
        )
        cls.steps = {name: cls.lines(f"runs/{name}/metrics.jsonl") for name in NAMES}

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def run_program(cls, program, *arguments):
        command = [str(PROGRAMS / program), *map(str, arguments)]
        return subprocess.run(command, cwd=cls.folder, check=True, capture_output=True, text=True).stdout

    @classmethod
    def lines(cls, name):
        return [json.loads(line) for line in (cls.folder / name).read_text().splitlines()]

    def rows(self, name):
        with open(self.folder / "tables" / name / "results.csv", newline="") as file:
            return list(csv.DictReader(file))

    # What TensorBoard's readers check besides: the checksums of every record.
    @needs("tensorboard")
    def test_tensorboard_reads_every_value_of_every_step(self):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        tags = {"lr": "lr", "momentum": "momentum", "train/loss": "train_loss", "val/accuracy": "val_accuracy"}
        for name in NAMES:
            events = EventAccumulator(str(self.folder / "events" / name), size_guidance={"scalars": 0}).Reload()
            for tag, key in tags.items():
                measured = [(step["iteration"], single(step[key])) for step in self.steps[name] if step[key] is not None]
                self.assertEqual([(e.step, e.value) for e in events.Scalars(tag)], measured, f"{name} {tag}")
            times = [e.wall_time for e in events.Scalars("lr")]
            self.assertEqual(times, sorted(times))
            self.assertLess(0, times[-1])
        result = json.loads((self.folder / "runs/digits/train/result.json").read_text())
        final = events.Scalars("final/test_accuracy")
        self.assertEqual([(e.step, e.value) for e in final], [(40, single(result["test_accuracy"]))])
        self.assertEqual([e.step for e in events.Scalars("test/accuracy")], [20, 40])

    @needs("tensorboard")
    def test_tensorboard_refuses_a_file_with_one_bit_changed(self):
        from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

        (path,) = (self.folder / "events/digits/train").iterdir()
        events = list(EventFileLoader(str(path)).Load())
        self.assertEqual(len(events), 42, "the version, 40 steps, what came out at the end")
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        copy = self.folder / "damaged.tfevents"
        copy.write_bytes(damaged)
        try:
            read = len(list(EventFileLoader(str(copy)).Load()))
        except Exception:  # versions differ in whether they stop or say so
            return
        self.assertLess(read, len(events))

    @needs("pandas", "pyarrow")
    def test_pandas_reads_the_parquet_file(self):
        import pandas

        frame = pandas.read_parquet(self.folder / "steps.parquet")
        self.assertEqual(sorted(frame["run"].unique()), NAMES)
        for name, steps in self.steps.items():
            of_run = frame[frame["run"] == name]
            self.assertEqual(of_run["iteration"].tolist(), [step["iteration"] for step in steps])
            for key in ["epoch", "lr", "momentum", "train_loss", "train_accuracy", "grad_norm", "val_loss", "val_accuracy"]:
                found = [None if value != value else value for value in of_run[key].tolist()]
                self.assertEqual(found, [step[key] for step in steps], f"{name} {key}")
        mean = frame.groupby("run")["train_loss"].mean()
        self.assertEqual(list(mean.index), NAMES)
        self.assertEqual(frame["test_accuracy"].notna().sum(), 2)

    @needs("pandas")
    def test_pandas_reads_results_and_records(self):
        import pandas

        frame = pandas.read_csv(self.folder / "tables/digits/train/results.csv")
        self.assertEqual(frame["step"].tolist(), list(range(4, 41, 4)))
        self.assertFalse(frame.isna().any().any())
        of_steps = {step["iteration"]: step for step in self.steps["digits/train"]}
        self.assertEqual(frame["metrics/accuracy_top1"].tolist(), [of_steps[s]["val_accuracy"] for s in frame["step"]])
        self.assertEqual(frame["lr/pg0"].tolist(), [of_steps[s]["lr"] for s in frame["step"]])
        records = pandas.read_json(self.folder / "runs/digits/train/metrics.jsonl", lines=True)
        self.assertEqual(len(records), 40)

    @needs("dvc")
    def test_dvc_plots_results_and_shows_the_result_as_metrics(self):
        repository = self.folder / "repository"
        shutil.copytree(self.folder / "tables/digits/train", repository)
        shutil.copy(self.folder / "runs/digits/train/result.json", repository)
        dvc = [sys.executable, "-m", "dvc"]
        environment = {**os.environ, "DVC_NO_ANALYTICS": "true"}

        def run(*arguments):
            done = subprocess.run([*dvc, *arguments], cwd=repository, env=environment, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

        run("init", "--no-scm", "--quiet")
        plots = json.loads(run("plots", "show", "--json", "results.csv", "-x", "step", "-y", "metrics/accuracy_top1"))
        points = json.dumps(plots)
        for row in self.rows("digits/train"):
            self.assertIn(row["metrics/accuracy_top1"], points)
        metrics = json.loads(run("metrics", "show", "--json", "result.json"))
        result = json.loads((self.folder / "runs/digits/train/result.json").read_text())
        self.assertIn(repr(result["test_accuracy"]), json.dumps(metrics))

    @needs("trackio")
    def test_trackio_imports_results(self):
        code = """
import sys, trackio
from trackio.sqlite_storage import SQLiteStorage
trackio.import_csv(sys.argv[1], project="digits", name="train")
logs = SQLiteStorage.get_logs("digits", "train")
print("LOGS", [log["step"] for log in logs], sorted(logs[0]))
"""
        environment = {**os.environ, "TRACKIO_DIR": str(self.folder / "trackio")}
        command = [sys.executable, "-c", code, str(self.folder / "tables/digits/train/results.csv")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = next(line for line in done.stdout.splitlines() if line.startswith("LOGS"))
        self.assertIn(str(list(range(4, 41, 4))), said)
        # It cuts names to ten characters.
        for metric in ["train/loss", "val/loss", "metrics/ac", "lr/pg0", "momentum"]:
            self.assertIn(metric, said)

    @needs("ultralytics", "torch", "cv2", "polars")
    def test_ultralytics_plots_results(self):
        os.environ["YOLO_CONFIG_DIR"] = str(self.folder)
        from ultralytics.utils.plotting import plot_results

        # It catches every error, and draws an empty picture then: what it says is looked at, and what it drew.
        import matplotlib.figure

        drawn = []
        original = matplotlib.figure.Figure.savefig
        matplotlib.figure.Figure.savefig = lambda figure, *_, **__: drawn.extend(
            (axes.get_title(), len(axes.lines[0].get_xdata())) for axes in figure.axes if axes.lines
        )
        try:
            plot_results(str(self.folder / "tables/digits/train/results.csv"))
        finally:
            matplotlib.figure.Figure.savefig = original
        self.assertEqual(drawn, [("train/loss", 10), ("metrics/accuracy_top1", 10), ("val/loss", 10)])

    def documented(self, name, start):
        """The code blocks of a document from a line that begins so on, each as text."""
        blocks, taken = [], False
        for line in (ROOT / "docs" / name).read_text(encoding="utf-8").splitlines():
            code = line.removeprefix("    ") if line.startswith("    ") else None
            if code is not None and code.startswith(start):
                blocks.append("")
                taken = True
            taken = taken and code is not None
            if taken:
                blocks[-1] += code + "\n"
        return blocks

    def run_documented(self, code):
        """Runs it where the runs lie, under the name that the documents give."""
        code = code.replace("runs/NAME", "runs/digits/train")
        shell = code.startswith("python3 ")
        words = code.replace("python3 ", f"{sys.executable} ", 1) if shell else [sys.executable, "-c", code]
        environment = {**os.environ, "MPLBACKEND": "Agg"}
        done = subprocess.run(words, shell=shell, cwd=self.folder, capture_output=True, text=True, env=environment)
        self.assertEqual(done.returncode, 0, f"{code}\n{done.stderr}")
        return done.stdout

    @needs("pandas", "pyarrow", "matplotlib")
    def test_the_documents_code_for_pandas_runs(self):
        (code,) = self.documented("other-tools.md", "import pandas")
        shape = "print(steps.pivot_table(index='iteration', columns='run', values='train_loss').shape)"
        # pandas leaves out the steps at whose loss no run has a number.
        finite = {step["iteration"] for steps in self.steps.values() for step in steps if step["train_loss"] is not None}
        self.assertIn(f"({len(finite)}, 2)", self.run_documented(code + shape))
        (code,) = self.documented("files.md", "python3 -c")
        self.assertRegex(self.run_documented(code), r"count +40\.0")

    @needs("safetensors", "torch")
    def test_the_documents_code_for_pytorch_runs(self):
        (code,) = self.documented("files.md", "from safetensors")
        stand_in = "model = type('Net', (), {'load_state_dict': lambda self, state: print(len(state))})()\n"
        self.assertGreater(int(self.run_documented(stand_in + code)), 5)

    def test_the_same_again_has_the_same_bytes(self):
        names = ["events", "tables"]
        before = {path: path.read_bytes() for name in names for path in (self.folder / name).rglob("*.*") if path.is_file()}
        self.assertEqual(len(before), 4)
        said = self.run_program("sc-analyze", "export", "runs/digits/*", "--tensorboard", "events", "--csv", "tables")
        self.assertEqual(said.splitlines(), self.said.splitlines()[:2])
        for path, content in before.items():
            self.assertEqual(path.read_bytes(), content, path)


if __name__ == "__main__":
    unittest.main(verbosity=2)
