/** Started by a test as a process of its own: brings a rehearsal up, says what runs, and waits to be ended. */

import { runSql } from '../../lib/local/databases.ts';
import { startEnvironment } from '../../lib/local/environment.ts';
import { processTree } from '../../lib/local/processes.ts';

const [folder = '', planFile = ''] = process.argv.slice(2);

await startEnvironment({
  folder,
  planFile,
  deploy: false,
  fsync: false,
  prepare: async (stores) => {
    for (const { url } of Object.values(stores)) await runSql(url, 'CREATE TABLE orders (id int PRIMARY KEY)');
  },
});
console.log(JSON.stringify(processTree(process.pid).filter(({ pid }) => pid !== process.pid)));
setInterval(() => {}, 60_000);
