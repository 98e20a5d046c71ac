/** DocumentStore on one DynamoDB table: partition key `pk` is the kind, sort key `sk` the id; `version` and `value` are attributes. */
import { createHash } from 'node:crypto';
import { ConditionalCheckFailedException, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import type { DocumentKind, Documents } from '../../contracts/documents.ts';
import { type DocumentStore, type Expectation, type Stored, VersionConflict } from '../../ports/documents.ts';

interface Item {
  readonly sk: string;
  /** Only where the id is too long to be a sort key. */
  readonly id?: string;
  readonly version: number;
  readonly value: unknown;
}

/** Bytes of a sort key, by DynamoDB. */
const MAX_SORT_KEY = 1024;
const SHORTENED = 900;

export function createDynamoDocuments(client: DynamoDBClient, table: string): DocumentStore {
  const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
  const keyOf = (kind: DocumentKind, id: string) => ({ pk: kind, sk: sortKey(id) });
  const put = async (kind: DocumentKind, id: string, value: unknown, expect: Expectation): Promise<number> => {
    if (expect === 'any') {
      const { Attributes } = await documents.send(
        new UpdateCommand({
          TableName: table,
          Key: keyOf(kind, id),
          UpdateExpression: 'SET #value = :value, #id = :id ADD #version :one',
          ExpressionAttributeNames: { '#value': 'value', '#version': 'version', '#id': 'id' },
          ExpressionAttributeValues: { ':value': value, ':one': 1, ':id': id },
          ReturnValues: 'UPDATED_NEW',
        }),
      );
      return Number(Attributes?.version);
    }
    const version = expect === 'absent' ? 1 : expect + 1;
    await documents.send(
      new PutCommand({
        TableName: table,
        Item: { ...keyOf(kind, id), id, version, value },
        ...(expect === 'absent'
          ? { ConditionExpression: 'attribute_not_exists(pk)' }
          : {
              ConditionExpression: '#version = :expected',
              ExpressionAttributeNames: { '#version': 'version' },
              ExpressionAttributeValues: { ':expected': expect },
            }),
      }),
    );
    return version;
  };
  return {
    get: async (kind, id) => {
      const { Item } = await documents.send(
        new GetCommand({ TableName: table, Key: keyOf(kind, id), ConsistentRead: true }),
      );
      return Item === undefined ? undefined : toStored<typeof kind>(Item as Item);
    },
    put: async (kind, id, value, expect) => {
      try {
        return await put(kind, id, value, expect);
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) throw new VersionConflict(kind, id, expect);
        throw error;
      }
    },
    list: async (kind, { from, to, limit = Number.POSITIVE_INFINITY, descending = false } = {}) => {
      const found: Stored<Documents[typeof kind]>[] = [];
      const range = keyRange(from, to);
      let start: Record<string, unknown> | undefined;
      do {
        const page = await documents.send(
          new QueryCommand({
            TableName: table,
            ConsistentRead: true,
            ScanIndexForward: !descending,
            KeyConditionExpression: `pk = :kind${range.condition}`,
            ExpressionAttributeValues: { ':kind': kind, ...range.values },
            ...(start === undefined ? {} : { ExclusiveStartKey: start }),
            // One more than asked for: `to` itself is read and then left out.
            ...(Number.isFinite(limit) ? { Limit: Math.max(1, limit - found.length + 1) } : {}),
          }),
        );
        const stored = (page.Items ?? []).map((item) => toStored<typeof kind>(item as Item));
        found.push(...stored.filter(({ id }) => to === undefined || sortKey(id) !== sortKey(to)));
        start = page.LastEvaluatedKey;
      } while (start !== undefined && found.length < limit);
      return Number.isFinite(limit) ? found.slice(0, limit) : found;
    },
    add: async (kind, id, numbers) => {
      const names = Object.keys(numbers);
      if (names.length === 0) return;
      const update = new UpdateCommand({
        TableName: table,
        Key: keyOf(kind, id),
        // ADD reaches top-level attributes only, and needs the map to be there.
        UpdateExpression: `SET ${names.map((_, index) => `#value.#n${index} = if_not_exists(#value.#n${index}, :zero) + :n${index}`).join(', ')} ADD #version :one`,
        ConditionExpression: 'attribute_exists(pk)',
        ExpressionAttributeNames: {
          '#value': 'value',
          '#version': 'version',
          ...Object.fromEntries(names.map((name, index) => [`#n${index}`, name])),
        },
        ExpressionAttributeValues: {
          ':zero': 0,
          ':one': 1,
          ...Object.fromEntries(names.map((name, index) => [`:n${index}`, numbers[name]])),
        },
      });
      try {
        await documents.send(update);
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        await put(kind, id, {}, 'absent').catch((conflict: unknown) => {
          // Somebody else made it first, which is as good.
          if (!(conflict instanceof ConditionalCheckFailedException)) throw conflict;
        });
        await documents.send(update);
      }
    },
    remove: async (kind, id) => {
      await documents.send(new DeleteCommand({ TableName: table, Key: keyOf(kind, id) }));
    },
  };
}

/** Row keys may be longer than a sort key: their order is kept as far as it fits, the hash keeps them apart. */
function sortKey(id: string): string {
  const bytes = Buffer.from(id);
  if (bytes.length <= MAX_SORT_KEY) return id;
  const start = bytes
    .subarray(0, SHORTENED)
    .toString('utf8')
    .replace(/\uFFFD+$/, '');
  return `${start}#${createHash('sha256').update(bytes).digest('hex')}`;
}

/** BETWEEN includes its end, which is left out afterwards; a key condition takes one range only. */
function keyRange(
  from: string | undefined,
  to: string | undefined,
): { readonly condition: string; readonly values: Record<string, string> } {
  if (from !== undefined && to !== undefined) {
    // An empty range is an error to DynamoDB.
    if (Buffer.compare(Buffer.from(from), Buffer.from(to)) >= 0)
      return { condition: ' AND sk < :from', values: { ':from': '\u0000' } };
    return { condition: ' AND sk BETWEEN :from AND :to', values: { ':from': sortKey(from), ':to': sortKey(to) } };
  }
  if (from !== undefined) return { condition: ' AND sk >= :from', values: { ':from': sortKey(from) } };
  if (to !== undefined) return { condition: ' AND sk < :to', values: { ':to': sortKey(to) } };
  return { condition: '', values: {} };
}

function toStored<K extends DocumentKind>({ sk, id, version, value }: Item): Stored<Documents[K]> {
  // Only `put` and `add` above write to the table, under the same kind.
  return { id: id ?? sk, version, value: value as Documents[K] };
}
