"""What a user can get wrong is refused before anything starts, with the reason and what to do."""

import json
import os
import subprocess

from program import PROGRAM, ProgramTest, main


class BadInput(ProgramTest):
    def refused(self, *words, status=2, says=()):
        done = self.troupe("train", "job.toml", *words, "--run-dir", "refused")
        self.assertEqual(done.returncode, status, done.stderr)
        for part in says:
            self.assertIn(part, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertFalse((self.folder / "refused" / "metrics.jsonl").exists())

    def test_missing_job_file(self):
        done = self.troupe("train", "nowhere.toml")
        self.assertEqual(done.returncode, 2)
        self.assertIn("nowhere.toml", done.stderr)
        forgotten = self.troupe("train", "train.steps=60")
        self.assertEqual(forgotten.returncode, 2)
        self.assertIn("a job file is missing before train.steps=60", forgotten.stderr)

    def test_missing_data_file(self):
        self.refused("data.path=nowhere.txt", says=["cannot read data file nowhere.txt", "No such file", "./setup"])

    def test_empty_data_file(self):
        (self.folder / "empty.txt").write_text("")
        self.refused("data.path=empty.txt", says=["empty.txt is empty"])

    def test_data_that_does_not_do_for_eval(self):
        run = self.train("train.steps=2", "train.warmup_steps=0")
        (self.folder / "short.txt").write_text("short")
        for data, says in (("nowhere.txt", "No such file"), ("short.txt", "one sample takes")):
            with self.subTest(data=data):
                done = self.troupe("eval", run.folder, "--data", data)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)

    def test_a_token_file_that_lies_of_itself(self):
        run = self.train("train.steps=2", "train.warmup_steps=0")
        done = self.troupe("tokenize", "text.txt", "--out", "good.tokens")
        self.assertEqual(done.returncode, 0, done.stderr)
        good = (self.folder / "good.tokens").read_bytes()
        for name, content, says in (("vocabulary", good[:12] + (50257).to_bytes(4, "little") + good[16:], "checksum does not match"),
                                    ("tokenizer", good[:32] + b"gpt2\0" + good[37:], "checksum does not match"),
                                    ("old", good[:8] + b"\x01" + good[9:], "is of version 1, not 2; write it again")):
            (self.folder / name).write_bytes(content)
            with self.subTest(name=name):
                self.refused(f"data.path={name}", says=[f"token file {name} is", says, "troupe tokenize FILE --out"])
                done = self.troupe("eval", run.folder, "--data", name)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)
                self.assertNotIn("c10", done.stderr)
        self.refused("data.path=good.tokens", "data.format=lines", says=["was made for format stream"])

    def test_numbers_that_no_machine_can_hold(self):
        for width in (2_000_000_000, 4_294_967_295):
            self.refused(f"model.width={width}", "model.heads=1",
                         says=[f"model.width = {width} is not allowed: it takes an integer, from 1 to 65536"])
        for key, most in (("layers", 1024), ("heads", 1024), ("context", 65536)):
            self.refused(f"model.{key}={most + 1}", says=[f"model.{key} = {most + 1} is not allowed", f"from 1 to {most}"])

    def test_more_memory_than_the_machine_has(self):
        self.refused("model.width=65536", "model.layers=600", says=["the 4 stages on the CPU need", "GB together, this machine has"])

    def test_a_run_folder_whose_path_is_not_utf_8(self):
        command = [os.fsencode(PROGRAM), b"train", b"job.toml", b"--run-dir", b"M\xfcller"]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(b"the run folder's path is not UTF-8 text", done.stderr)

    def test_a_validation_that_is_not_finite_ends_the_job_and_leaves_a_run_that_can_be_resumed(self):
        run = self.train("train.lr=1e30", "train.warmup_steps=0", "train.eval_every=1", name="diverged", status=1)
        self.assertIn("the loss is not finite; try a lower train.lr", run.talk)
        self.assertNotIn("null", (run.folder / "validation.jsonl").read_text())
        done = self.troupe("train", "job.toml", "train.lr=0.003", "--resume", "--run-dir", run.folder)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_partitions_that_cannot_be_cut(self):
        (self.folder / "labels").write_text("a\nb\na\n")
        for words, says in ((("--count", 3, "--parts", 10), "only 3 items"), (("--count", 3, "--parts", 0), "at least one part"),
                            (("--count", 3, "--parts", 2, "--mode", "balanced"), "needs --labels"),
                            (("--labels", "labels", "--parts", 4), "only 3 items")):
            with self.subTest(words=words):
                done = self.troupe("partition", *words)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_a_partition_larger_than_the_machines_memory(self):
        done = self.troupe("partition", "--count", 10**15, "--parts", 2)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("--count 1000000000000000 needs 2.4e+07 GB of memory, this machine has", done.stderr)

    def test_a_run_before_its_first_checkpoint(self):
        (self.folder / "young" / "checkpoints").mkdir(parents=True)
        done = self.troupe("generate", self.folder / "young")
        self.assertEqual(done.returncode, 4)
        self.assertIn("no checkpoint yet in", done.stderr)

    def test_a_manifest_of_brackets(self):
        run = self.train("train.steps=2", "train.warmup_steps=0")
        manifest = run.folder / "checkpoints" / "step-2" / "MANIFEST.json"
        manifest.write_text('{"self":"x","a":' + "[" * 200_000 + "]" * 200_000 + "}")
        for command in ("eval", "generate", "digest"):
            done = self.troupe(command, run.folder)
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertIn("MANIFEST.json: at offset 23: more than 8 levels of brackets", done.stderr)

    def test_unknown_key(self):
        self.refused("model.widht=32", says=["unknown key model.widht", "did you mean model.width"])

    def test_wrong_type(self):
        self.refused('train.steps="many"', says=["train.steps", "many", "integer"])

    def test_global_batch_not_divisible(self):
        self.refused("train.global_batch=18", says=["train.global_batch = 18", "divisible", "write train.global_batch ="])

    def test_context_longer_than_the_data(self):
        self.refused("model.context=60000", says=["model.context + 1 = 60001", "tokens"])

    def test_more_stages_than_layers(self):
        self.refused("layout.stages=5", says=["layout.stages = 5", "model.layers = 4"])

    def test_no_such_device(self):
        self.refused("layout.devices=cuda:7", says=["layout.devices names cuda:7", '"cpu"'])
        done = self.troupe("train", "job.toml", "layout.devices=cuda:7")
        self.assertRegex(done.stderr, r"built without CUDA|CUDA devices? here")

    def test_too_little_memory_per_device(self):
        self.refused("layout.memory_per_device_gb=0.000001", says=["needs", "GB", "allows 1e-06 GB", "more stages"])

    def test_a_fault_rule_that_is_none(self):
        done = self.troupe("train", "job.toml", "--inject", "kill stage/r0.s0 @step=2,phase=forward")
        self.assertEqual(done.returncode, 2)
        self.assertIn('unknown action "kill"', done.stderr)

    def test_a_fault_that_can_never_happen(self):
        for rule, says in (("kill9 stage/r7.s0 @step=2,phase=forward", 'no actor "stage/r7.s0": it has trainer, stage/r0.s0'),
                           ("kill9 ps @step=2,phase=forward", 'no actor "ps"'),
                           ("kill9 stage/r0.s0 @step=0,phase=forward", "steps count from 1"),
                           ("kill9 stage/r0.s0 @step=13,phase=forward", "the job ends with step 12"),
                           ("kill9 trainer @step=2,phase=backward", "trainer has no phase backward"),
                           ("kill9 stage/r0.s0 @step=2,phase=vote", "nothing is made to fail in phase vote"),
                           ("kill9 stage/r0.s0 @step=7,phase=checkpoint", "no checkpoint is due at step 7, the next one is at step 8")):
            with self.subTest(rule=rule):
                self.refused("--inject", rule, says=[rule, says])

    def test_a_fault_in_a_checkpoint_that_somebody_else_writes(self):
        self.refused("layout.exchange=ps_sync", "--inject", "kill9 stage/r0.s0 @step=8,phase=checkpoint",
                     says=["the checkpoint is the parameter server's"])

    def test_epochs_that_are_too_many(self):
        self.refused("train.steps=0", "train.epochs=2147483648", says=["train.epochs = 2147483648", "steps", "4294967295"])

    def test_a_warmup_longer_than_the_epochs(self):
        self.refused("train.steps=0", "train.epochs=1", "train.warmup_steps=1000", says=["train.warmup_steps = 1000", "train.epochs = 1"])

    def test_a_command_that_is_none(self):
        done = self.troupe("trian", "job.toml")
        self.assertEqual(done.returncode, 2)
        self.assertIn("did you mean train?", done.stderr)

    def test_port_in_use(self):
        first = self.start("head", "job.toml", "--listen", "tcp://127.0.0.1:7931", "--run-dir", "first")
        self.wait_for(lambda: (self.folder / "first" / "head.json").exists() or first.poll() is not None, "the first head")
        second = self.troupe("head", "job.toml", "--listen", "tcp://127.0.0.1:7931", "--run-dir", "second")
        first.terminate()
        self.finish(first)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn("tcp://127.0.0.1:7931", second.stderr)
        self.assertIn("in use", second.stderr)

    def test_addresses_and_names_that_are_none(self):
        for words, says in ((("node", "--join", "nonsense"), "--join nonsense is not allowed: it takes tcp://HOST:PORT"),
                            (("node", "--join", "tcp://127.0.0.1:7700", "--name", "a/b"), "--name a/b is not allowed"),
                            (("node", "--join", "tcp://127.0.0.1:7700", "--listen", "x"), "--listen x is not allowed"),
                            (("head", "job.toml", "--listen", "7700"), "--listen 7700 is not allowed")):
            with self.subTest(words=words):
                done = self.finish(self.start(*words), patience=20)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)

    def test_nothing_waits_without_a_head(self):
        for words, status in ((("ps",), 4), (("show", "stage/r0.s0"), 4), (("kill", "stage/r0.s0"), 4), (("logs", "x"), 4),
                              (("events",), 4), (("generate", "nowhere"), 4), (("digest", "nowhere"), 4)):
            with self.subTest(words=words):
                done = self.finish(self.start(*words), patience=20)
                self.assertEqual(done.returncode, status, done.stderr)
        run = self.train("train.steps=2", "train.warmup_steps=0", name="over")
        killed = self.finish(self.start("kill", "stage/r0.s0", "--run-dir", run.folder), patience=20)
        self.assertEqual(killed.returncode, 3, killed.stderr)

    def test_groups_of_actors(self):
        run = self.train("train.steps=2", "train.warmup_steps=0", name="grouped").folder
        for words, names in ((("stages(replica=0, stage=0)",), ["stage/r0.s0"]), (("data(replica=0)",), ["data/r0"]),
                             (("trainer",), ["trainer"])):
            with self.subTest(words=words):
                done = self.troupe("ps", *words, "--run-dir", run, "-o", "json")
                self.assertEqual([each["actor"] for each in json.loads(done.stdout)], names, done.stderr)
        for words, status, says in ((("ps", "stages(stage="), 2, "expected an index, like 0 or 0..1 at letter 14"),
                                    (("show", "stages(stag=0)"), 2, "did you mean stage?"),
                                    (("logs", "workers(stage=0)"), 2, "groups are stages and data"),
                                    (("logs", "stages(stage=99)"), 4, "selects nobody: the run has stages(replica=0"),
                                    (("ps", "stages(replica=99)"), 4, "selects nobody"),
                                    (("show", "nobody"), 4, "no actor named nobody")):
            with self.subTest(words=words):
                done = self.troupe(*words, "--run-dir", run)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn(says, done.stderr)
        shown = json.loads(self.troupe("show", "stages(stage=0)", "--run-dir", run, "-o", "json").stdout)
        self.assertEqual(shown[0]["actor"], "stage/r0.s0")
        heard = {(each["message"], each["sender"]) for each in shown[0]["messages"]}
        self.assertIn(("stage.commit", "trainer"), heard)  # its process is gone; what it heard is not

    def test_an_existing_run_is_not_overwritten(self):
        self.train("train.steps=2", "train.warmup_steps=0", name="there")
        again = self.troupe("train", "job.toml", "--run-dir", "there")
        self.assertEqual(again.returncode, 2)
        self.assertIn("--resume", again.stderr)


class FullDisk(ProgramTest):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("mounting a small file system takes root")
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", self.disk], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"no tmpfs may be mounted here: {mounted.stderr.strip()}")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", self.disk], check=False))

    def test_a_checkpoint_that_does_not_fit_leaves_the_run_and_the_last_one_alone(self):
        reference = self.train(name="undisturbed")
        # The first checkpoint of the wide model fits, the second does not: room is taken away in between.
        process = self.start("train", "job.toml", "train.steps=400", "--run-dir", "disk/run")
        checkpoints = self.disk / "run" / "checkpoints"
        self.wait_for(lambda: (checkpoints / "step-4").exists() or process.poll() is not None, "the first checkpoint")
        filler = self.disk / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        done = self.finish(process)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"No space left on device|cannot write")
        filler.unlink()
        for left in checkpoints.iterdir():
            self.assertRegex(left.name, r"^(step-\d+|LATEST)$")
        resumed = self.troupe("train", "--resume", "--run-dir", "disk/run", "train.steps=12")
        self.assertIn(resumed.returncode, (0, 1), resumed.stderr)
        self.assertEqual(len(reference.figures()), 12)


if __name__ == "__main__":
    main()
