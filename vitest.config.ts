import { defineConfig } from 'vitest/config';

/** Folders whose tests need PostgreSQL: one server of each major is started for the whole run (test/support/global-setup.ts). */
const WITH_SERVERS = ['chaos', 'contract', 'integration', 'scenarios'];
/** Minutes and more: `npm run test:long`. */
const LONG = 'test/**/*.long.test.ts';

const long = process.env.CROSSFADE_TEST_LONG === '1';

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 240_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: [...WITH_SERVERS.map((folder) => `test/${folder}/**`), ...(long ? [] : [LONG])],
        },
      },
      {
        extends: true,
        test: {
          name: 'servers',
          include: WITH_SERVERS.map((folder) => `test/${folder}/**/*.test.ts`),
          exclude: long ? [] : [LONG],
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
    ],
  },
});
