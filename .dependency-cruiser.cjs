/**
 * The folders are the architecture: who may import whom. Checked by test/architecture, which also plants a violation for every rule.
 * Read with swc, because dependency-cruiser does not know TypeScript 7; without @swc/core it would find 0 modules and no fault.
 */
const forbid = (name, from, to, comment) => ({ name, comment, severity: 'error', from, to });

/** Code that is bundled into functions or run by operators, as opposed to synthesis, the local environment and the demo. */
const SHIPPED = '^(lib/(?!(infra|local|demo)/)|lambdas/)';

module.exports = {
  forbidden: [
    forbid('no-cycles', {}, { circular: true }, 'a cycle has no layer'),
    forbid(
      'domain-is-pure',
      { path: '^lib/domain/' },
      { pathNot: '^(lib/domain/|(node:)?crypto$)' },
      'domain sees only itself and node:crypto',
    ),
    forbid(
      'contracts-are-leaf',
      { path: '^lib/contracts/' },
      { pathNot: '^lib/(contracts|domain)/' },
      'names and payload types shared by infra and functions',
    ),
    forbid(
      'plan-is-edge-free',
      { path: '^lib/plan/' },
      { pathNot: '^lib/(plan|domain)/|^(node:)?crypto$|(^|/)node_modules/(zod|yaml)/' },
      'schema, defaults and loader; the text of a plan comes in as an argument',
    ),
    forbid(
      'sql-is-text',
      { path: '^lib/sql/' },
      { pathNot: '^lib/(sql|domain|ports|plan)/' },
      'pure: texts and values over the types of domain and plan',
    ),
    forbid(
      'sql-knows-ports-by-type',
      { path: '^lib/sql/' },
      { path: '^lib/ports/', dependencyTypesNot: ['type-only'] },
      'a text may be written for a purpose, and reaches nothing',
    ),
    forbid(
      'ports-see-domain',
      { path: '^lib/ports/' },
      { pathNot: '^lib/(ports|domain|contracts)/|^lib/sql/statement\\.ts$' },
      'interfaces over domain types, documents and the one type of a statement',
    ),
    forbid(
      'application-sees-ports',
      { path: '^lib/application/' },
      { pathNot: '^(lib/(application|domain|ports|contracts|plan|sql)/|(node:)?crypto$)' },
      'use cases reach the world through ports',
    ),
    forbid(
      'adapters-implement-ports',
      { path: '^lib/adapters/' },
      { path: '^(lib/(application|infra|cli|local|demo)|lambdas|bin|test)/' },
      'adapters are outermost',
    ),
    forbid(
      'adapters-are-siblings',
      { path: '^lib/adapters/([^/]+)/' },
      { path: '^lib/adapters/', pathNot: '^lib/adapters/($1|shared)/' },
      'no technology knows another; only the files beside the folders compose them',
    ),
    forbid(
      'infra-is-synth-time',
      { path: '^lib/infra/' },
      { path: '^(lib/(application|ports|adapters|sql|cli|local|demo)|lambdas|bin|test)/' },
      'infra shares names (contracts, domain) and the plan; functions are entries by path, not imports',
    ),
    forbid(
      'cdk-only-in-infra',
      { path: '^(lib/(?!infra/)|lambdas/)' },
      { path: '(^|/)node_modules/(aws-cdk-lib|constructs|cdk-nag)/' },
      'CDK stays out of bundles',
    ),
    forbid(
      'sdk-only-in-adapters',
      { path: '^(lib/(?!(adapters|local|demo)/)|lambdas/|bin/)' },
      { path: '(^|/)node_modules/(@aws-sdk|@smithy|pg)/' },
      'SDK and driver stand behind ports; local and demo drive from outside',
    ),
    forbid(
      'middy-only-in-lambdas',
      { path: '^(lib|bin)/' },
      { path: '(^|/)node_modules/@middy/' },
      'middleware is for the edge',
    ),
    forbid(
      'lambdas-are-siblings',
      { path: '^lambdas/([^/]+)/' },
      { path: '^lambdas/', pathNot: '^lambdas/($1|shared)/' },
      'no function imports another',
    ),
    forbid(
      'lambdas-see-no-edge',
      { path: '^lambdas/' },
      { path: '^(lib/(infra|cli|local|demo)|bin|test)/' },
      'functions compose application and adapters',
    ),
    forbid(
      'cli-drives-no-infra',
      { path: '^lib/cli/' },
      { path: '^(lib/(infra|local|demo|sql)|lambdas|bin|test)/' },
      'the CLI talks to a deployed system',
    ),
    forbid(
      'local-is-a-leaf',
      { path: '^(lib/(?!(local|demo)/)|lambdas/)' },
      { path: '^lib/local/' },
      'nothing that is shipped knows the local environment',
    ),
    forbid(
      'local-deploys-from-outside',
      { path: '^lib/local/' },
      {
        path: '^(lib/(infra|application|cli|demo)|lambdas|bin|test)/',
        pathNot: '^lib/infra/capabilities\\.ts$',
      },
      'the local environment runs the product and does not contain it; what its emulator lacks is said in one place',
    ),
    forbid('demo-is-a-leaf', { path: '^(lib/(?!demo/)|lambdas/)' }, { path: '^lib/demo/' }, 'nothing knows the demo'),
    forbid(
      'demo-drives-from-outside',
      { path: '^lib/demo/' },
      { path: '^(lib/infra|lambdas|bin|test)/' },
      'the demo uses what an operator uses',
    ),
    forbid('no-test-imports', { path: '^(bin|lib|lambdas)/' }, { path: '^test/' }, 'production never imports test'),
    forbid(
      'no-dev-dependencies',
      { path: SHIPPED },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
      'declared runtime dependencies only',
    ),
    forbid('resolvable', {}, { couldNotResolve: true }, 'imports resolve'),
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'] },
  },
};
