"""F09, F10, F14-F16: kill -9 of others than a stage, and of several stages at once."""

import os
import pathlib
import signal

from fault_cell import LONG, Expected, FaultTest
from program import main
from job_processes import node_process, snapshots_of

KILLED = r"signal 9 \(SIGKILL\)"
ACTORS = ("data/r0", "data/r1", "stage/r0.s0", "stage/r0.s1", "stage/r1.s0", "stage/r1.s1")


class KillMany(FaultTest):
    def test_f09_data_actor(self):
        with self.cell("F09", "kill -9 of a data actor that reads ahead") as cell:
            cell.train(["kill9 data/r0 @step=25,phase=forward"])
            cell.judge(Expected({"data/r0": KILLED}, recovered_within=0.5))

    def test_f10_node_agent(self):
        """Its actors end with it and are started again; the head and its term stay."""
        with self.cell("F10", "kill -9 of the node process in a step", LONG) as cell:
            cell.begin()
            cell.wait_for_step(self.chance.randrange(30, 60))
            cell.random_moment()
            node = node_process(cell.process.pid, cell.head_process())
            cell.strike(lambda: os.kill(node, signal.SIGKILL))
            cell.end()
            cell.judge(Expected(dict.fromkeys(ACTORS, ""), nodes=2, recovered_within=3))

    def kill_at_once(self, name, title, victims, overrides, wipe=False, **more):
        with self.cell(name, title, overrides) as cell:
            cell.begin()
            cell.wait_for_step(self.chance.randrange(30, 60))
            cell.random_moment()
            if wipe:
                self.wipe(cell, victims)
            cell.kill(*victims)
            cell.end()
            cell.judge(Expected(dict.fromkeys(victims, KILLED), **more))
            return cell

    def wipe(self, cell, victims):
        """They are stopped first, so that none seals another snapshot on the way."""
        cell.kill(*victims, number=signal.SIGSTOP)
        files = [file for victim in victims for file in snapshots_of(self.shared_memory, victim)]
        self.assertGreaterEqual(len(files), len(victims), "snapshots in shared memory")
        for file in files:
            pathlib.Path(file).unlink()

    def test_f14_all_stages_of_a_replica(self):
        self.kill_at_once("F14", "kill -9 of all stages of replica 0 at once", ("stage/r0.s0", "stage/r0.s1"), LONG)

    def test_f15_neighbours_of_a_replica(self):
        """One replica: nobody else has their weights, and both must come back from their own snapshots."""
        layout = (*LONG, "layout.stages=4", "layout.replicas=1")
        self.kill_at_once("F15", "kill -9 of two neighbouring stages", ("stage/r0.s1", "stage/r0.s2"), layout)

    def test_f16_every_copy_of_a_stage(self):
        """What is left is the disk: everybody goes back to the newest checkpoint, and the events say so."""
        victims = ("stage/r0.s1", "stage/r1.s1")
        cell = self.kill_at_once("F16", "kill -9 of both replicas of a stage, their snapshots wiped", victims, LONG,
                                 wipe=True, replayed=25, recovered_within=2)
        kinds = [line["kind"] for line in cell.run.events("recovered")]
        cell.expect(kinds == ["checkpoint"], f"the job did not go on from a checkpoint: {kinds}")


if __name__ == "__main__":
    main()
