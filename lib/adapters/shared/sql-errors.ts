/**
 * SQLSTATE -> what the caller may do about it, the same behind both drivers. A message of PostgreSQL may hold values of the row
 * (`Key (email)=(…)`, `invalid input syntax for type integer: "…"`), so only its safe part travels on (invariant 9).
 */
import { SqlError, type SqlErrorKind } from '../../ports/sql.ts';

/** What a driver knows of an error that the server raised. */
export interface ServerError {
  readonly sqlState: string;
  /** Primary message, without Detail, Hint and Where. */
  readonly message: string;
  readonly constraint?: string | undefined;
  readonly where?: string | undefined;
}

const KIND_OF_STATE: Readonly<Record<string, SqlErrorKind>> = {
  '23505': 'unique',
  '23503': 'foreign-key',
  // A missing grant stops everything, so parking single rows for it would be wrong.
  '42501': 'configuration',
  '3D000': 'configuration',
  // The writer became a reader (failover), or the fence holds: nothing should be claimed.
  '25006': 'unavailable',
  '55P03': 'transient',
  '55006': 'transient',
  '57014': 'transient',
};

const KIND_OF_CLASS: Readonly<Record<string, SqlErrorKind>> = {
  '08': 'unavailable',
  '0A': 'permanent',
  '21': 'permanent',
  '22': 'permanent',
  '23': 'permanent',
  '25': 'transient',
  '28': 'configuration',
  '40': 'transient',
  '42': 'permanent',
  '44': 'permanent',
  '53': 'unavailable',
  '54': 'permanent',
  '55': 'permanent',
  '57': 'unavailable',
  '58': 'unavailable',
  P0: 'permanent',
};

/** Unknown classes are transient: retries are bounded and end in the dead-letter queue, which loses nothing. */
export function kindOfState(sqlState: string): SqlErrorKind {
  return KIND_OF_STATE[sqlState] ?? KIND_OF_CLASS[sqlState.slice(0, 2)] ?? 'transient';
}

/** The original error is no `cause`: loggers print causes, and it holds the Detail. */
export function fromServerError(error: ServerError): SqlError {
  const { sqlState } = error;
  const isRowRefusal = sqlState === '42501' && error.message.includes('row-level security');
  return new SqlError(`${safeMessage(error)} (SQLSTATE ${sqlState})`, {
    kind: isRowRefusal ? 'permanent' : kindOfState(sqlState),
    sqlState,
    constraint: error.constraint ?? constraintIn(error.message, sqlState),
  });
}

/** Errors of sockets, DNS and TLS, by Node's code. Undefined: not one of them. */
export function kindOfNetworkCode(code: string | undefined): SqlErrorKind | undefined {
  if (code === undefined) return undefined;
  if (UNREACHABLE_CODES.has(code)) return 'unavailable';
  if (/CERT|^ERR_TLS|^ERR_SSL|SIGNATURE|UNABLE_TO/.test(code)) return 'configuration';
  return undefined;
}

const UNREACHABLE_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ESOCKETTIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
]);

/** The commit's answer was lost: it may have happened. Callers repeat, because applying twice equals applying once. */
export function unknownOutcome(cause: SqlError): SqlError {
  return new SqlError(`the outcome of a COMMIT is unknown, repeat the transaction: ${cause.message}`, {
    kind: 'transient',
    sqlState: cause.sqlState,
  });
}

const WITHHELD = '(value withheld)';
const MAX_MESSAGE = 500;
/** What PostgreSQL itself says of a constraint; a function may raise the same SQLSTATE with words of its own. */
const OWN_CONSTRAINT_TEXT =
  /^(ERROR: )?(duplicate key value violates|null value in column|new row for relation|insert or update on table|update or delete on table|conflicting key value violates|no partition of relation|domain .* does not allow null|value for domain|column "|cannot insert|could not create|check constraint|partition constraint|merging|failed to)/i;

function safeMessage({ sqlState, message, where }: ServerError): string {
  const [first = ''] = message.split('\n');
  // A pair of surrogates that is cut is no JSON any more.
  const text = first.slice(0, MAX_MESSAGE).toWellFormed();
  const sqlClass = sqlState.slice(0, 2);
  // Functions of the application raise what they like, values of the row among them.
  const isRaised =
    sqlClass === 'P0' || / at RAISE$/m.test(where ?? '') || (sqlClass === '23' && !OWN_CONSTRAINT_TEXT.test(text));
  if (isRaised && !text.startsWith('Crossfade'))
    return `an exception was raised${raiser(where)}; its message is withheld`;
  return sqlClass === '22' ? withholdValues(text) : text;
}

/**
 * Class 22 (data exception) quotes the offending value: behind a colon, or between quotation marks, which are those of the server's
 * language. The longest span is taken, because a value may hold quotation marks itself.
 */
function withholdValues(text: string): string {
  const [severity = ''] = /^\p{Lu}+: +/u.exec(text) ?? [];
  return `${severity}${text
    .slice(severity.length)
    .replace(/: .*$/s, `: ${WITHHELD}`)
    .replace(/["«»„“”‹›「].*["«»“”‹›」]/s, WITHHELD)}`;
}

function raiser(where: string | undefined): string {
  const name = where === undefined ? undefined : /function ([\w."$]+)\(/.exec(where)?.[1];
  return name === undefined ? ' by a function or trigger of the store' : ` by the function ${name}`;
}

/** The Data API has no field for it; PostgreSQL names it in the message. */
function constraintIn(message: string, sqlState: string): string | undefined {
  if (!sqlState.startsWith('23')) return undefined;
  return /constraint "((?:[^"]|"")+)"/.exec(message)?.[1];
}
