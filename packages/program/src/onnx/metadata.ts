import type { AssayError } from "@assay/tensor";
import { decode, encode, type ModelProto } from "./protobuf.ts";

/** The entries of a JSON object that a model's metadata holds under `key`; none when it holds nothing there. */
export function metadataEntries(
  metadata: readonly { key: string; value: string }[],
  key: string,
  malformed: (reason: string) => AssayError,
): [string, unknown][] {
  const values = metadata.filter((entry) => entry.key === key);
  if (values.length === 0) return [];
  if (values.length > 1) throw malformed("the model's metadata holds it twice");
  let parsed: unknown;
  try {
    parsed = JSON.parse(values[0]!.value);
  } catch {
    throw malformed("it is no JSON");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    throw malformed("it is no JSON object");
  return Object.entries(parsed);
}

/**
 * The model with a JSON object under `key` of its metadata, in the place of any that it had; an empty one removes it.
 * Entries are in order of their keys: onnxruntime keeps none.
 */
export function withMetadata(
  bytes: Uint8Array,
  key: string,
  value: Readonly<Record<string, unknown>>,
): Uint8Array {
  const model = decode("ModelProto", bytes);
  model.metadataProps = model.metadataProps.filter((entry) => entry.key !== key);
  if (Object.keys(value).length > 0) model.metadataProps.push({ key, value: JSON.stringify(value) });
  sortMetadata(model);
  return encode("ModelProto", model);
}

/** The model with its metadata in order of the keys: onnxruntime writes it in another order each time. */
export function orderMetadata(bytes: Uint8Array): Uint8Array {
  const model = decode("ModelProto", bytes);
  if (model.metadataProps.length < 2) return bytes;
  sortMetadata(model);
  return encode("ModelProto", model);
}

function sortMetadata(model: ModelProto): void {
  model.metadataProps.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}
