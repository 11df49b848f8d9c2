import type { Expansion } from "./index.ts";
import { type Cell, type Direction, recurrent } from "./recurrent.ts";

function bothBiases({ graph, bias }: Direction): string | undefined {
  return bias && graph.op("Add", [...bias]);
}

function activate({ graph, dtype, activations }: Direction, which: number, value: string): string {
  return activations[which]!.apply(graph, dtype, value);
}

/** H = f(X·Wᵀ + H·Rᵀ + Wb + Rb) */
const rnn: Cell = {
  gates: 1,
  activations: ["Tanh"],
  initial: [5],
  inputBias: bothBiases,
  step(direction, x, [h]) {
    const sum = h === undefined ? x : direction.affine(h, direction.recurrence, x);
    return [activate(direction, 0, direction.clip(sum))];
  },
};

/** Gates in ONNX's order: z, r, h. */
const gru: Cell = {
  gates: 3,
  activations: ["Sigmoid", "Tanh"],
  initial: [5],
  inputBias(direction) {
    const { graph, bias, node, hidden } = direction;
    if (!bias || node.attributes.int("linear_before_reset", 0) === 0) return bothBiases(direction);
    // The recurrence's bias of the candidate is reset with it.
    const [own, recurrent] = bias.map((value) => graph.slice(value, 0, 0, 2 * hidden));
    const candidate = graph.slice(bias[0], 0, 2 * hidden, 3 * hidden);
    return graph.op("Concat", [graph.op("Add", [own, recurrent]), candidate], { axis: 0 });
  },
  step(direction, x, [h]) {
    const { graph, dtype, hidden, recurrence, gates } = direction;
    const rows = (from: number, to: number) => graph.slice(recurrence, 0, from * hidden, to * hidden);
    const sums = gates(x, 0, 2);
    const zr = activate(
      direction,
      0,
      direction.clip(h === undefined ? sums : direction.affine(h, rows(0, 2), sums)),
    );
    const [z, r] = [gates(zr, 0, 1), gates(zr, 1, 2)];
    const own = gates(x, 2, 3);
    const sum = candidate();
    const next = activate(direction, 1, direction.clip(sum));
    // (1 − z)·next + z·h
    if (h === undefined) return [graph.op("Mul", [graph.op("Sub", [graph.scalar(dtype, 1), z]), next])];
    return [graph.op("Add", [next, graph.op("Mul", [z, graph.op("Sub", [h, next])])])];

    function candidate(): string {
      if (direction.node.attributes.int("linear_before_reset", 0) === 0)
        return h === undefined ? own : direction.affine(graph.op("Mul", [r, h]), rows(2, 3), own);
      const bias = direction.bias && graph.slice(direction.bias[1], 0, 2 * hidden, 3 * hidden);
      const linear = h === undefined ? bias : direction.affine(h, rows(2, 3), bias);
      return linear === undefined ? own : graph.op("Add", [own, graph.op("Mul", [r, linear])]);
    }
  },
};

/** Gates in ONNX's order: i, o, f, c. */
const lstm: Cell = {
  gates: 4,
  activations: ["Sigmoid", "Tanh", "Tanh"],
  initial: [5, 6],
  inputBias: bothBiases,
  step(direction, x, [h, c]) {
    const { graph, dtype, gates, hidden } = direction;
    const sums = h === undefined ? x : direction.affine(h, direction.recurrence, x);
    const peepholes = direction.input(7);
    const coupled = direction.node.attributes.int("input_forget", 0) !== 0;
    const f = (value: string) => activate(direction, 0, direction.clip(value));
    // Peepholes in the order i, o, f.
    const peek = (gate: number, cell: string | undefined): string => {
      const sum = gates(sums, gate, gate + 1);
      if (peepholes === undefined || cell === undefined) return f(sum);
      const weights = graph.slice(peepholes, 0, gate * hidden, (gate + 1) * hidden);
      return f(graph.op("Add", [sum, graph.op("Mul", [weights, cell])]));
    };
    const together = peepholes === undefined ? f(gates(sums, 0, 3)) : undefined;
    const gate = (index: number, cell: string | undefined) =>
      together === undefined ? peek(index, cell) : gates(together, index, index + 1);

    const input = gate(0, c);
    const candidate = activate(direction, 1, direction.clip(gates(sums, 3, 4)));
    const added = graph.op("Mul", [input, candidate]);
    const next = c === undefined ? added : graph.op("Add", [graph.op("Mul", [forget(), c]), added]);
    const output = gate(1, next);
    return [graph.op("Mul", [output, activate(direction, 2, next)]), next];

    function forget(): string {
      return coupled ? graph.op("Sub", [graph.scalar(dtype, 1), input]) : gate(2, c);
    }
  },
};

export const recurrence: Record<string, Expansion> = {
  RNN: recurrent(rnn),
  GRU: recurrent(gru),
  LSTM: recurrent(lstm),
};
