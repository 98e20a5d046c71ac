/**
 * Reads artists through the deployed API until Ctrl-C, as an application would: cutover judges real reads. After
 * `. .crossfade/local/variables.sh`: node_modules/.bin/node examples/chinook/read.ts
 */
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { createSystems } from '../../lib/adapters/cloudformation/system.ts';
import { openApi } from '../../lib/demo/traffic/api.ts';

const { AWS_ENDPOINT_URL: endpoint, AWS_REGION: region, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env;
if (!endpoint || !region || !AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) {
  console.error('no rehearsal is chosen; run: . .crossfade/local/variables.sh');
  process.exit(2);
}
const apiUrl = (await createSystems(new CloudFormationClient({})).find('chinook'))?.outputs.apiUrl;
if (apiUrl === undefined) {
  console.error(
    'no system is deployed for plan chinook; run: npm run local -- up --plan examples/chinook/chinook.plan.yaml',
  );
  process.exit(2);
}
const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
const api = openApi({ apiUrl, endpoint, region, credentials });
const ARTISTS = 275;
const PAUSE_MS = 50;
/** Reads a line. */
const REPORT_EVERY = 55;

let answers: Record<string, number> = {};
for (let artist = 1; ; artist = (artist % ARTISTS) + 1) {
  const { status, servedBy } = await api.get('/api/v2/data', { tenant: '*', table: 'artist', key: `[${artist}]` });
  const by = status === 200 ? `${servedBy}` : `HTTP ${status}`;
  answers = { ...answers, [by]: (answers[by] ?? 0) + 1 };
  if (artist % REPORT_EVERY === 0) {
    console.log(
      Object.entries(answers)
        .map(([by, count]) => `${by} ${count}`)
        .join(', '),
    );
    answers = {};
  }
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
