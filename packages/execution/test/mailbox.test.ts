import fc from "fast-check";
import { DType, dtypeSize, fromStored, toStored } from "@assay/tensor";
import { afterAll, describe, expect, it } from "vitest";
import { cutGraph, cutInput } from "@assay/program";
import { compileModel, ModelRunner, OnnxWorker, randomInputs } from "../src/index.ts";
import { Mailbox } from "../src/mailbox.ts";
import { buildOnnx } from "../../program/test/onnx-builder.ts";

const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + seed) % 251);

describe("a mailbox", () => {
  const sender = Mailbox.create();
  const receiver = new Mailbox(sender.fd);
  afterAll(() => sender.close());

  it("hands on messages as they are, long arrays aligned for every element type", () => {
    const message = {
      a: [bytes(100_001, 1), { b: bytes(16_384, 2), c: "text", d: null }],
      e: bytes(10, 3),
      f: 1n,
    };
    const parcel = sender.put(message);
    expect(JSON.stringify(parcel, (_, x: unknown) => (typeof x === "bigint" ? "" : x)).length).toBeLessThan(
      400,
    );
    const taken = receiver.take(parcel) as typeof message;
    expect(taken).toEqual(message);
    for (const array of [taken.a[0] as Uint8Array, (taken.a[1] as { b: Uint8Array }).b])
      expect(array.byteOffset % 8).toBe(0);
    const room = new Uint8Array(200_000);
    expect(((receiver.take(parcel, room) as typeof message).a[0] as Uint8Array).buffer).toBe(room.buffer);
    sender.free(parcel.region);
  });

  it("sends short messages without the file", () => {
    const message = { model: bytes(100, 1) };
    expect(sender.put(message)).toEqual({ value: message });
  });

  it("keeps what has not been taken, and uses again what has", () => {
    let most = 0;
    fc.assert(
      fc.property(
        fc.array(fc.record({ length: fc.integer({ min: 16_384, max: 60_000 }), free: fc.nat(3) }), {
          maxLength: 12,
        }),
        (steps) => {
          const waiting: { message: Uint8Array; parcel: ReturnType<Mailbox["put"]> }[] = [];
          for (const [i, { length, free }] of steps.entries()) {
            const message = bytes(length, i);
            const parcel = sender.put(message);
            most = Math.max(most, parcel.region!.start + parcel.region!.length);
            waiting.push({ message, parcel });
            for (const done of waiting.splice(0, free)) sender.free(done.parcel.region);
            for (const { message, parcel } of waiting)
              expect(Buffer.compare(receiver.take(parcel) as Uint8Array, message)).toBe(0);
          }
          for (const { parcel } of waiting) sender.free(parcel.region);
        },
      ),
      { numRuns: 50 },
    );
    expect(most).toBeLessThan(13 * 60_064);
  });

  it("says by name that there is no room", () => {
    const closed = Mailbox.create();
    closed.close();
    expect(() => closed.put(bytes(20_000, 1))).toThrow(/could not be handed on/);
  });
});

describe("a replay", async () => {
  // Values of several types, longer and shorter than what travels in the file, stored in other orders than ONNX's.
  const model = await compileModel(
    buildOnnx({
      inputs: { x: [1, 3, 40, 40] },
      constants: { w: { dims: [20, 3, 3, 3] }, v: { dims: [5, 20, 3, 3] } },
      nodes: [
        ["Conv", ["x", "w"], ["a"], { pads: [1, 1, 1, 1] }],
        ["Relu", ["a"], ["b"]],
        ["Conv", ["b", "v"], ["c"], { strides: [4, 4] }],
        ["Cast", ["c"], ["d"], { to: DType.int64 }],
        ["Transpose", ["d"], ["e"], { perm: [0, 2, 3, 1] }],
        ["Cast", ["e"], ["f"], { to: DType.bool }],
      ],
      outputs: ["f"],
    }),
  );
  const { program } = model;
  const runner = new ModelRunner(model);
  const worker = new OnnxWorker();
  worker.register("cut", cutGraph(model.canonical, program.trace));
  afterAll(async () => {
    await runner.close();
    await worker.close();
  });
  const inputs = randomInputs(program.inputs, 5);
  const honest = await runner.trace(inputs);

  /** The definition: every value computed on the trace's operands, and compared element by element. */
  async function byDefinition(trace: readonly Uint8Array[]): Promise<number[][]> {
    const given = Object.fromEntries(
      program.trace.map(({ name, dtype, dims, layout }, i) => [
        cutInput(name),
        fromStored(trace[i]!, dtype, dims, layout),
      ]),
    );
    const names = program.trace.map(({ name }) => name);
    const computed = await worker.run("cut", { ...inputs, ...given }, names);
    return program.trace.map(({ name, dtype, layout }, i) => {
      const stored = toStored(computed[name]!, layout);
      const size = dtypeSize(dtype);
      const elements = Array.from({ length: stored.length / size }, (_, e) => e);
      return elements.filter((e) =>
        Buffer.compare(
          stored.subarray(e * size, e * size + size),
          trace[i]!.subarray(e * size, e * size + size),
        ),
      );
    });
  }

  it("finds nothing in an honest trace", async () => {
    expect(program.trace.some(({ layout }) => layout.order.some((factor, i) => factor !== i))).toBe(true);
    expect((await runner.replay(inputs, honest))!.map((elements) => elements.length)).toEqual(
      honest.map(() => 0),
    );
  });

  it("finds every changed element and every one that its change reaches", async () => {
    let [next, changes] = [1, 0];
    const random = (below: number) => (next = (next * 48_271) % 2_147_483_647) % below;
    for (let round = 0; round < 8; round++) {
      const trace = honest.map((stored) => stored.slice());
      for (const [i, stored] of trace.entries())
        for (let change = random(3); change > 0; change--, changes++) {
          const { dtype } = program.trace[i]!;
          // A bool is 0 or 1.
          if (dtype === DType.bool) stored[random(stored.length)]! ^= 1;
          else stored[random(stored.length)]! ^= 1 << random(8);
        }
      const differing = (await runner.replay(inputs, trace))!;
      expect(differing.map((elements) => [...elements])).toEqual(await byDefinition(trace));
    }
    expect(changes).toBeGreaterThan(20);
  });

  it("refuses a trace of the wrong size by name", async () => {
    const short = honest.map((stored, i) => (i === 2 ? stored.subarray(4) : stored));
    await expect(runner.replay(inputs, short)).rejects.toMatchObject({ code: "TRACE_SIZE" });
  });

  it("answers requests that overlap", async () => {
    const all = await Promise.all([
      runner.replay(inputs, honest),
      runner.trace(inputs),
      runner.run(inputs),
      runner.replay(inputs, honest),
      runner.trace(inputs),
    ]);
    expect(all[1]).toEqual(honest);
    expect(all[4]).toEqual(honest);
    expect(all[3]).toEqual(all[0]);
  });
});
