/** Capture's cost alone: `node bench/capture/main.ts` prints the rounds as they come and the result as JSON. */
import { benchCapture } from './bench-capture.ts';

const result = await benchCapture({ say: (line) => process.stderr.write(`${line}\n`) });
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
