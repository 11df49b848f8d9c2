import { compileModel, ModelRunner, storedInputs } from "@assay/execution";
import { kernelInput } from "@assay/program";
import { kernelOf, Verdict } from "@assay/numerics";
import { attackModels } from "./attack-models.ts";
import { Attack, numbers } from "./attack-run.ts";
const all = attackModels();
for (const n of ["vespa-transformer"]) { const m = all.find((x) => x.name === n)!; const c = await compileModel(m.onnx, { shapes: m.shapes }); console.log(n, numbers(m.inputsFor(c.program)[0]!.input!.data, 6).join()); }
const m = all.find((x) => x.name === "mnist-dynamic-int8")!;
const model = await compileModel(m.onnx, { shapes: m.shapes });
const p = model.program;
p.instructions.forEach((i, k) => console.log(k, i.family, i.op, i.dims.join("x"), p.nodes[k]!.join("+"), i.operands.map((o) => `${o.origin}:${o.index}`).join(" ")));
const runner = new ModelRunner(model);
const inputs = m.inputsFor(p);
console.log(inputs.length, "inputs");
let near = new Map<number, number>(); let total = 0;
for (const [t, tensors] of inputs.slice(0, 12).entries()) {
  const trace = await runner.trace(tensors);
  const run = { inputs: storedInputs(p, tensors), constants: model.constants.trees.map((x) => x.stored), trace };
  const out = p.outputs[0]!.index; const y = numbers(trace[out]!, 1);
  const order = [...y.keys()].sort((a, b) => y[b]! - y[a]!);
  const adj = new Attack(p, run).gradients({ instruction: out, weights: new Map([[order[0]!, 1], [order[1]!, -1]]) });
  if (t < 2) { console.log("y", [...y].map((v) => v.toFixed(2)).join(" ")); p.instructions.forEach((i, k) => console.log("  grad", k, "nonzero", adj[k]!.filter((g) => g !== 0).length, "of", adj[k]!.length, "max", Math.max(...adj[k]!.map(Math.abs)).toExponential(1), "value range", Math.min(...numbers(trace[k]!, i.dtype)), Math.max(...numbers(trace[k]!, i.dtype)))); }
  const read = (o: number, k: number) => [run.inputs, run.constants, run.trace][o]![k]!;
  p.instructions.forEach((i, k) => {
    if (i.family !== 7 || i.op > 1) return;
    const v = numbers(trace[k]!, i.dtype);
    if (i.op !== 0) return;
    for (let e = 0; e < v.length; e++) for (const d of [1, -1]) {
      const c = v[e]! + d; if (c < 0 || c > 255) continue;
      const input = kernelInput(i, e, trace[k]!, read); total++;
      if (kernelOf(7).judge({ ...input, hint: new Uint8Array(), claimed: BigInt(c) }).verdict !== Verdict.Fraudulent) near.set(k, (near.get(k) ?? 0) + 1);
    }
  });
}
console.log("neighbours not fraudulent, by instruction", [...near], "of", total);
await runner.close();
