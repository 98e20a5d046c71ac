import { expect, it } from 'vitest';
import * as client from '../../lib/client/index.js';
import { readDocument } from './markdown.ts';

const [example] = readDocument('README.md').blocks.filter(({ language }) => language === 'js');

/** A connection that answers as one without Crossfade does. */
function connection() {
  const seen: string[] = [];
  return {
    seen,
    query: async (text: string, values: readonly unknown[] = []) => {
      seen.push(text.split(' ', 1)[0] ?? '');
      if (text.startsWith('SELECT')) return { rows: [{ installed: false }], rowCount: 1 };
      return text.includes('RETURNING id') ? { rows: [{ id: values[0] }], rowCount: 1 } : { rows: [], rowCount: null };
    },
  };
}

it('has an example of the client library that runs', async () => {
  const { seen, query } = connection();
  const code = example?.lines.join('\n').replace(/^import (\{.*\}) from 'crossfade\/client';$/m, 'const $1 = client;');

  const run = new Function(
    'client',
    'connection',
    `return (async (library, client) => { ${code?.replace('= client;', '= library;')}; return position; })(client, connection)`,
  );
  const position = await run(client, { query });

  expect(position).toBeNull();
  expect(seen).toEqual(['BEGIN', 'SELECT', 'INSERT', 'SELECT', 'UPDATE', 'SELECT', 'COMMIT']);
});

it('exports what the example imports', async () => {
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });

  expect(manifest.exports['./client'].default).toBe('./lib/client/index.js');
  expect(Object.keys(client)).toEqual(
    expect.arrayContaining(['withCapture', 'joinTransaction', 'overDataApi', 'CaptureError']),
  );
});
