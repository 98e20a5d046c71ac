/** Two Aurora clusters to try Crossfade on: `npm run cdk -- deploy --app "node_modules/.bin/node bin/example-aurora.ts"`. */
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { ExampleAuroraStack } from '../lib/infra/stacks/example-aurora-stack.ts';

const app = new App();
new ExampleAuroraStack(app, 'crossfade-example-aurora');
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
app.synth();
