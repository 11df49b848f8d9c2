/** A gateway's desk in a process of its own, for tests that kill it: `node rig-process.ts FOLDER` prints its URL. */
import { openRig } from "./desk.ts";

const rig = await openRig({ folder: process.argv[2]! });
process.stdout.write(`${rig.url}\n`);
