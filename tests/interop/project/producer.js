// A producer in another language: publishes calls with celery-node, waits for their results and prints them as JSON.
//
// node producer.js '{"broker": …, "backend": …, "queue": …, "prefix": …, "protocol": 2, "calls": [[task, args, kwargs], …]}'
//
// Prints a list of {id, value} or {id, error}, in the order of the calls.
"use strict";

const celery = require("celery-node");

const PATIENCE = 30000; // milliseconds

async function main(order) {
  const client = celery.createClient(order.broker, order.backend, order.queue);
  // Read at first use. Redis's client puts the prefix in front of every key, as global_keyprefix does.
  client.conf.TASK_PROTOCOL = order.protocol;
  for (const [name, url] of [["CELERY_BROKER_OPTIONS", order.broker], ["CELERY_BACKEND_OPTIONS", order.backend]]) {
    client.conf[name] = url.startsWith("redis") ? { keyPrefix: order.prefix } : {};
  }
  await client.isReady();
  const results = order.calls.map(([task, args, kwargs]) => client.sendTask(task, args, kwargs));
  const answers = await Promise.all(
    results.map((result) =>
      result.get(PATIENCE).then(
        (value) => ({ id: result.taskId, value }),
        (error) => ({ id: result.taskId, error: String(error) }),
      ),
    ),
  );
  await client.disconnect();
  return answers;
}

main(JSON.parse(process.argv[2])).then(
  (answers) => {
    console.log(JSON.stringify(answers));
    process.exit(0);
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
