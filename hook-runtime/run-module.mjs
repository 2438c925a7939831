// Runs one hook that is a JavaScript module, in a process of its own that stays warm.
// Started by the service as: node run-module.mjs <compiled module>. Requests come as JSON lines on stdin; answers go as
// JSON lines to descriptor 3, so that whatever the hook prints cannot be taken for an answer.
import { writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

function answer(message) {
  let rest = Buffer.from(`${JSON.stringify(message)}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(3, rest));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function describe(error) {
  try {
    return String(error instanceof Error ? (error.stack ?? error.message) : error).slice(0, 4000);
  } catch {
    return 'threw something that cannot be shown';
  }
}

// A promise that a hook forgot must not end what others run in this process.
process.on('unhandledRejection', (error) => console.error('unhandled rejection:', describe(error)));

let hook;
try {
  hook = (await import(pathToFileURL(process.argv[2]).href)).default;
  // A CommonJS module arrives as its exports.
  if (typeof hook !== 'function' && typeof hook?.default === 'function') hook = hook.default;
  if (typeof hook !== 'function') throw new TypeError('the module has no default export that is a function');
  answer({ ready: true });
} catch (error) {
  answer({ ready: false, error: describe(error) });
  process.exit(1);
}

async function run({ id, input }) {
  try {
    const output = await hook(input);
    answer({ id, output: output === undefined ? null : output });
  } catch (error) {
    answer({ id, error: describe(error) });
  }
}

let rest = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text) => {
  const lines = (rest + text).split('\n');
  rest = lines.pop();
  for (const line of lines) void run(JSON.parse(line));
});
process.stdin.on('end', () => process.exit(0));
