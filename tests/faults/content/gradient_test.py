"""F45, F46: what is computed is at fault: a sample that kills whoever handles it, a NaN, a flipped bit."""

from fault_cell import Expected, FaultTest
from program import main

VICTIM = "stage/r0.s1"


class Content(FaultTest):
    def test_f45_poison(self):
        """The same micro-batch breaks two incarnations: the run ends and names the samples, and can go on from there."""
        with self.cell("F45", "a micro-batch that kills whoever handles it, twice") as cell:
            rules = [f"throw {VICTIM} @step=25,phase=forward,mb=1,incarnation={number}" for number in (1, 2)]
            cell.begin(rules)
            cell.end(status=1)
            told = [line for line in cell.run.events("poison") if line["actor"] == VICTIM and line["step"] == 25]
            cell.expect(len(told) == 1 and told[0]["samples"], "no event names the samples")
            cell.expect("its samples are" in cell.run.talk, "the end of the run does not name the samples")
            cell.resume()
            cell.judge(Expected({VICTIM: r"fault on purpose at step 25"}, deaths=2, heads=2, nodes=2, resumed=True, recovered_within=10))

    def test_f46_a_nan_in_a_gradient(self):
        with self.cell("F46", "a NaN in a gradient") as cell:
            cell.train([f"nan {VICTIM} @step=25,phase=backward"])
            cell.judge(Expected())
            told = [line for line in cell.run.events("step_aborted") if line["step"] == 25 and "not finite" in line["cause"]]
            cell.expect(len(told) == 1, "no event says that the step was not committed, and why")

    def test_f46_a_flipped_bit(self):
        """One replica of the stage has other weights than its sibling then: the digests in the next votes tell."""
        with self.cell("F46", "one flipped bit in a gradient") as cell:
            cell.train([f"flip {VICTIM} @step=25,phase=reduce"])
            cell.judge(Expected(differences=True))
            told = [line for line in cell.run.events("states_differ") if line["stage"] == 1]
            cell.expect(len(told) == 1, "no event says that the replicas of stage 1 differ")
            named = {line["actor"] for line in cell.run.events("wrong_state")}
            cell.expect(VICTIM in named, f"named as wrong: {sorted(named)}")


if __name__ == "__main__":
    main()
