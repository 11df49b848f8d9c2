/** A one-node float32 ONNX model over inputs of one shape, as bytes: enough protobuf for tests and sweeps. */
export function oneNodeModel(
  opType: string,
  dims: readonly number[],
  inputs: readonly string[] = ["x"],
  opset = 13,
  attributes: Record<string, number | string> = {},
): Uint8Array {
  const value = (name: string) =>
    message(
      [1, text(name)],
      [2, message([1, message([1, 1], [2, message(...dims.map((dim): Field => [1, message([1, dim])]))])])],
    );
  const node = message(
    ...inputs.map((name): Field => [1, text(name)]),
    [2, text("y")],
    [4, text(opType)],
    ...Object.entries(attributes).map(([name, attribute]): Field => [5, encodeAttribute(name, attribute)]),
  );
  const graph = message([1, node], [2, text("g")], ...inputs.map((name): Field => [11, value(name)]), [
    12,
    value("y"),
  ]);
  return message([1, 8], [7, graph], [8, message([2, opset])]);
}

type Field = [number: number, value: number | Uint8Array];
const text = (s: string) => new TextEncoder().encode(s);

/** A float or string attribute; the numbers are ONNX's AttributeType. */
function encodeAttribute(name: string, value: number | string): Uint8Array {
  if (typeof value === "string") return message([1, text(name)], [4, text(value)], [20, 3]);
  const float = new Uint8Array(Float32Array.of(value).buffer);
  return Uint8Array.from([...message([1, text(name)]), (2 << 3) | 5, ...float, ...message([20, 1])]);
}

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
