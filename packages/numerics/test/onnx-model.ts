/** A one-node float32 ONNX model over inputs of one shape, as bytes: enough protobuf for tests. */
export function oneNodeModel(
  opType: string,
  dims: readonly number[],
  inputs: readonly string[] = ["x"],
): Uint8Array {
  const value = (name: string) =>
    message(
      [1, text(name)],
      [2, message([1, message([1, 1], [2, message(...dims.map((dim): Field => [1, message([1, dim])]))])])],
    );
  const node = message(...inputs.map((name): Field => [1, text(name)]), [2, text("y")], [4, text(opType)]);
  const graph = message([1, node], [2, text("g")], ...inputs.map((name): Field => [11, value(name)]), [
    12,
    value("y"),
  ]);
  return message([1, 8], [7, graph], [8, message([2, 13])]);
}

type Field = [number: number, value: number | Uint8Array];
const text = (s: string) => new TextEncoder().encode(s);

function varint(n: number): number[] {
  return n < 128 ? [n] : [(n & 127) | 128, ...varint(n >>> 7)];
}

function message(...fields: Field[]): Uint8Array {
  return Uint8Array.from(
    fields.flatMap(([number, value]) =>
      typeof value === "number"
        ? [...varint(number << 3), ...varint(value)]
        : [...varint((number << 3) | 2), ...varint(value.length), ...value],
    ),
  );
}
