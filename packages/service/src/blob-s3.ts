import { AssayError } from "@assay/tensor";
import { AwsClient } from "aws4fetch";
import { folderPlace } from "./blob-folder.ts";
import type { BlobPlace } from "./blobs.ts";
import { trimSlash } from "./fetch.ts";

export interface S3Options {
  bucket: string;
  /** Before every key; may be empty. */
  prefix?: string;
  /** Address of the service, for others than Amazon's. */
  endpoint?: string;
  region?: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** Blobs in a bucket of Amazon S3, or of anything that speaks its protocol. */
export function s3Place(options: S3Options): BlobPlace {
  const { bucket, prefix = "", region = "us-east-1", accessKeyId, secretAccessKey, sessionToken } = options;
  const endpoint = trimSlash(options.endpoint ?? `https://s3.${region}.amazonaws.com`);
  const client = new AwsClient({
    accessKeyId,
    secretAccessKey,
    ...(sessionToken !== undefined && { sessionToken }),
    service: "s3",
    region,
    retries: 3,
    initRetryMs: 100,
  });
  const name = `s3://${bucket}/${prefix}`;
  const base = `${endpoint}/${bucket}`;
  const full = (key: string) => (prefix === "" ? key : `${prefix}/${key}`);
  const ask = async (url: string, method: string, body?: Uint8Array): Promise<Response> => {
    const response = await client.fetch(url, {
      method,
      signal: AbortSignal.timeout(120_000),
      ...(body !== undefined && { body: body as Uint8Array<ArrayBuffer> }),
    });
    if (!response.ok && response.status !== 404)
      throw new AssayError("S3_FAILED", `${method} answered ${response.status} ${response.statusText}`, {
        hint: "check the bucket, its region and the credentials",
      });
    return response;
  };
  return {
    name,
    async write(key, bytes) {
      const response = await ask(`${base}/${full(key)}`, "PUT", bytes);
      if (response.status === 404) throw new AssayError("S3_FAILED", `there is no bucket ${bucket}`);
    },
    async read(key) {
      const response = await ask(`${base}/${full(key)}`, "GET");
      return response.status === 404 ? undefined : new Uint8Array(await response.arrayBuffer());
    },
    async remove(folder) {
      for (;;) {
        const query = new URLSearchParams({ "list-type": "2", prefix: `${full(folder)}/` });
        const list = await (await ask(`${base}?${query.toString()}`, "GET")).text();
        const keys = [...list.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key!);
        if (keys.length === 0) return;
        for (const key of keys) await ask(`${base}/${key}`, "DELETE");
      }
    },
  };
}

/**
 * A place as settings name it: a folder, or `s3://bucket/prefix` with the usual variables of the environment
 * (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL_S3).
 */
export function blobPlace(
  place: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): BlobPlace {
  const s3 = /^s3:\/\/([^/]+)\/?(.*?)\/?$/.exec(place);
  if (s3 === null) {
    if (/^\w+:\/\//.test(place))
      throw new AssayError("BLOB_PLACE", `${place} is neither a folder nor s3://bucket/prefix`);
    return folderPlace(place);
  }
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = environment;
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new AssayError("BLOB_PLACE", `${place} needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`);
  const { AWS_SESSION_TOKEN: sessionToken, AWS_REGION: region } = environment;
  const endpoint = environment.AWS_ENDPOINT_URL_S3 ?? environment.AWS_ENDPOINT_URL;
  return s3Place({
    bucket: s3[1]!,
    prefix: s3[2]!,
    accessKeyId,
    secretAccessKey,
    ...(sessionToken !== undefined && { sessionToken }),
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
  });
}
