/** What an operator's monitoring sees of a service: its metrics, its health, the alerts that its webhook gets. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { AlertMessage, AlertName } from "@assay/service";
import { until } from "./scene.ts";

/** Takes alerts as an operator's webhook would. */
export interface Webhook {
  url: string;
  /** Those since it was last emptied. */
  alerts: AlertMessage[];
  /** Waits for an alert. */
  alerted(alert: AlertName, state?: AlertMessage["state"]): Promise<AlertMessage>;
  close(): void;
}

export async function openWebhook(): Promise<Webhook> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      hook.alerts.push(JSON.parse(Buffer.concat(parts).toString()) as AlertMessage);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const hook: Webhook = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-token`,
    alerts: [],
    alerted: (alert, state = "raised") =>
      until(`alert ${alert} ${state}`, async () =>
        hook.alerts.find((each) => each.alert === alert && each.state === state),
      ),
    close: () => void server.close(),
  };
  return hook;
}

export async function health(url: string | undefined) {
  const response = await fetch(`${url}/health/ready`);
  return { code: response.status, ...((await response.json()) as { problems: string[]; alerts: string[] }) };
}

/** One metric's value, by its name and labels. */
export async function metric(
  url: string | undefined,
  name: string,
  labels = "",
): Promise<number | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`${name}{`) && each.includes(labels));
  return line === undefined ? undefined : Number(line.split(" ").at(-1));
}
