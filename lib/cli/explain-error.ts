/** Any failure as an operator needs it at night: what happened, with which values, and the next command. One line, one exit code. */
import { CommanderError } from 'commander';
import { OperatorError } from '../application/operate/operator.ts';
import { PlanError } from '../plan/plan.ts';
import { VersionConflict } from '../ports/documents.ts';
import { EXIT, EXIT_OF_ERROR, type ExitCode } from './exit-codes.ts';

export interface Explained {
  readonly exit: ExitCode;
  readonly message: string;
  readonly next: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

interface Rule {
  /** Tried on the error's name, code and message. */
  readonly matches: RegExp;
  readonly explain: (error: ErrorFacts, environment: Environment) => Explained;
}

interface ErrorFacts {
  readonly name: string;
  readonly code: string;
  readonly message: string;
}

const CREDENTIALS_NEXT = 'aws sts get-caller-identity';

/** In order; names are those of the AWS SDK and of Node. */
const RULES: readonly Rule[] = [
  {
    matches: /environment variable \w+ (is not set|does not hold a URL)/,
    explain: ({ message }) => ({
      exit: EXIT.usage,
      message: firstLine(message),
      next: `export ${/environment variable (\w+)/.exec(message)?.[1]}=postgresql://<user>:<password>@<host>/<database>`,
    }),
  },
  {
    matches: /Region is missing|UnknownRegion|Could not resolve region/i,
    explain: () => ({
      exit: EXIT.usage,
      message: 'no AWS region is set; set AWS_REGION (and AWS_PROFILE or credentials)',
      next: 'AWS_REGION=<region> crossfade status',
    }),
  },
  {
    matches:
      /CredentialsProviderError|Could not load credentials|Unable to (locate|load) credentials|TokenProviderError/i,
    explain: ({ message }) => ({
      exit: EXIT.failed,
      message: `no AWS credentials: ${firstLine(message)}; set AWS_PROFILE, or sign in again`,
      next: CREDENTIALS_NEXT,
    }),
  },
  {
    matches:
      /ExpiredToken|RequestExpired|UnrecognizedClient|InvalidClientTokenId|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidSignature|AuthFailure/i,
    explain: ({ name, message }) => ({
      exit: EXIT.failed,
      message: `AWS refused the credentials (${name}): ${firstLine(message)}`,
      next: CREDENTIALS_NEXT,
    }),
  },
  {
    matches: /AccessDenied|NotAuthorized|UnauthorizedOperation/i,
    explain: ({ message }) => ({
      exit: EXIT.failed,
      message: `AWS does not allow it: ${firstLine(message)}`,
      next: CREDENTIALS_NEXT,
    }),
  },
  {
    matches:
      /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNRESET|EHOSTUNREACH|ENETUNREACH|TimeoutError|NetworkingError/,
    explain: ({ code, name, message }, environment) => {
      const endpoint = environment.AWS_ENDPOINT_URL;
      const where =
        endpoint === undefined
          ? `AWS in ${environment.AWS_REGION ?? 'the configured region'}`
          : `AWS_ENDPOINT_URL=${endpoint}`;
      return {
        exit: EXIT.failed,
        message: `${where} cannot be reached (${code === '' ? name : code}${message === '' ? '' : `: ${firstLine(message)}`})`,
        next: endpoint === undefined ? CREDENTIALS_NEXT : 'npm run local -- status',
      };
    },
  },
  {
    matches: /ENOENT|EISDIR|EACCES/,
    explain: ({ message }) => ({
      exit: EXIT.usage,
      message: `the file cannot be read: ${firstLine(message)}`,
      next: 'npx crossfade plan check --help',
    }),
  },
  {
    matches:
      /ThrottlingException|TooManyRequests|ProvisionedThroughputExceeded|ServiceUnavailable|InternalFailure|InternalServerError/i,
    explain: ({ name, message }) => ({
      exit: EXIT.failed,
      message: `AWS did not answer in time (${name}: ${firstLine(message)}); try again`,
      next: 'npx crossfade status',
    }),
  },
];

export function explainError(error: unknown, environment: Environment): Explained {
  if (error instanceof OperatorError)
    return { exit: EXIT_OF_ERROR[error.kind], message: error.message, next: error.next };
  if (error instanceof PlanError)
    return {
      exit: EXIT.usage,
      message: error.message,
      next: `npx crossfade plan check ${error.issues[0]?.file ?? '<file>'}`,
    };
  if (error instanceof VersionConflict)
    return { exit: EXIT.refused, message: `${error.message}; nothing was changed`, next: 'npx crossfade status' };
  if (error instanceof CommanderError)
    return { exit: EXIT.usage, message: error.message.replace(/^error: /, ''), next: 'npx crossfade --help' };
  const facts = factsOf(error);
  const rule = RULES.find(({ matches }) => [facts.name, facts.code, facts.message].some((text) => matches.test(text)));
  return (
    rule?.explain(facts, environment) ?? {
      exit: EXIT.failed,
      message: `${facts.name}: ${firstLine(facts.message)}`,
      next: 'npx crossfade doctor',
    }
  );
}

/** An AggregateError (two addresses of one name, both refused) has its reasons inside. */
function factsOf(error: unknown): ErrorFacts {
  if (error instanceof AggregateError && error.errors.length > 0) return factsOf(error.errors[0]);
  if (!(error instanceof Error)) return { name: 'Error', code: '', message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return { name: error.name, code, message: error.message };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
