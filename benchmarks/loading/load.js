// The load generator. Each line of standard input is a job in JSON. For each job it prints one line with the results.
const { createInterface } = require("node:readline");
const autocannon = require("autocannon");

let number = 0; // number of the last request of this run

// Replaces {n} in a request by the request's number, and {address} by an IP address made from this number.
function numbered(request) {
  number += 1;
  const address = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
  const fill = (text) => text.replaceAll("{n}", number).replaceAll("{address}", address);
  const headers = Object.entries(request.headers).map(([name, value]) => [name, fill(value)]);
  return { ...request, headers: Object.fromEntries(headers), body: request.body && fill(request.body) };
}

// Measures the time from one answer to the next on the same connection, so that it includes the time to reconnect.
function timed(client, seen) {
  let since = performance.now();
  client.on("headers", ({ statusCode }) => {
    const now = performance.now();
    seen.milliseconds.push(now - since);
    seen.statuses[statusCode] = (seen.statuses[statusCode] ?? 0) + 1;
    seen.last = since = now;
  });
}

async function send({ closes, ...job }) {
  const seen = { milliseconds: [], statuses: {}, last: 0 };
  const started = performance.now();
  const { errors } = await autocannon({
    ...job,
    requests: [{ setupRequest: numbered }],
    // Otherwise autocannon writes its next request to a connection that the server is about to close.
    ...(closes && { reconnectRate: 1 }),
    setupClient: (client) => timed(client, seen),
    sampleInt: 20,
  });
  const sorted = seen.milliseconds.sort((one, other) => one - other);
  const quantile = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  const seconds = (seen.last - started) / 1000;
  return { seconds, p50: quantile(0.5), p99: quantile(0.99), statuses: seen.statuses, errors };
}

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await send(JSON.parse(line))));
  }
})();
