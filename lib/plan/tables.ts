/** Tables, columns, tenants, regions and services of the plan: the only place where Crossfade learns of anybody's schema. */
import { z } from 'zod';
import { findExpressionFault } from './expression.ts';
import {
  choice,
  columnName,
  duration,
  emptyAsMapping,
  flag,
  IDENTIFIER_FORM,
  IDENTIFIER_PATTERN,
  listOf,
  text,
} from './fields.ts';

export const CAPTURE_WAYS = ['trigger', 'client'] as const;

/** `orders` or `sales.orders`, each part as the catalogue has it. */
export const TABLE_NAME_PATTERN = /^[^."\p{Cc}]{1,63}(\.[^."\p{Cc}]{1,63})?$/u;
const TABLE_NAME_FORM = 'a table name, such as orders or sales.orders, without quotes';

const TENANT_ID_FORM =
  'a tenant id as text of 1 to 128 characters without control characters; put a number into quotes';
const tenantId = z
  .string({ error: `expected ${TENANT_ID_FORM}` })
  .regex(/^[^\p{Cc}]{1,128}$/u, { error: `expected ${TENANT_ID_FORM}` })
  .refine((id) => id !== '*', {
    error: 'expected the id of one tenant; "*" is the implicit tenant of a plan with `tenants: none`',
  });

/** Names of regions and services, as flags carry them. */
const label = (about: string) => text(about, /^[a-z][a-z0-9-]{0,62}$/, 'a name of small letters, digits and hyphens');

const tenantAttributes = {
  region: label('region of the tenant, for flags').optional(),
  services: listOf('services that serve the tenant, for flags; absent: all', label('service')).optional(),
};

export const tenantsSchema = z
  .union(
    [
      z.literal('none'),
      z.strictObject({
        column: columnName('column that holds the tenant, in each table that says nothing else'),
        known: z
          .union(
            [
              z.array(z.strictObject({ id: tenantId.meta({ description: 'tenant id' }), ...tenantAttributes })),
              z.record(tenantId, z.preprocess(emptyAsMapping, z.strictObject(tenantAttributes))),
            ],
            { error: 'expected a list of {id, region} or a mapping of id to {region, services}' },
          )
          .optional()
          .meta({ description: 'tenants that are known beforehand; others are found in the data' }),
      }),
    ],
    { error: 'expected `none` or a mapping {column: …}' },
  )
  .meta({ description: 'how rows are told apart by tenant; none: one implicit tenant *' });

export const servicesSchema = z
  .record(
    label('service'),
    z.strictObject({
      tables: listOf('tables that this service alone writes', z.string({ error: `expected ${TABLE_NAME_FORM}` }), 1),
    }),
    { error: 'expected a mapping of service to {tables: […]}' },
  )
  .meta({ description: 'services, with the tables that each alone writes' });

export const regionsSchema = listOf('regions that tenants may have; absent: any', label('region'));

const expression = (about: string) =>
  z
    .string({ error: 'expected an SQL expression' })
    .superRefine((sql, context) => {
      const fault = findExpressionFault(sql);
      if (fault !== undefined)
        context.addIssue({ code: 'custom', message: `expected one SQL expression; ${fault}`, input: sql });
    })
    .meta({ description: about });

const columnSchema = z
  .strictObject({
    from: expression('SQL expression over the columns of the legacy row that fills this target column').optional(),
    back: z
      .union(
        [
          expression('SQL expression over the columns of the target row'),
          z.record(columnName('legacy column'), expression('SQL expression')),
        ],
        {
          error: 'expected an SQL expression over target columns, or a mapping of legacy column to expression',
        },
      )
      .optional()
      .meta({
        description:
          'fills legacy after switchover: an expression (for the legacy column that `from` names, else for the one of the same name), or a mapping of legacy column to expression',
      }),
    oneWay: flag(
      'true: `from` cannot be inverted; switchover refuses it while writes on the target can change it',
    ).optional(),
    owner: choice('target: the target fills this column itself; legacy never overwrites it', ['target']).optional(),
    drop: flag('true: this legacy column is not carried over').optional(),
  })
  .meta({ description: 'how one column is carried; columns that are not named are carried as they are' });

const tenantOfTableSchema = z
  .union(
    [
      text('none, or the column that holds the tenant', IDENTIFIER_PATTERN, `none, or ${IDENTIFIER_FORM}`),
      z.strictObject({
        parent: z
          .string({ error: 'expected the name of a table of this plan' })
          .meta({ description: 'table of this plan whose tenant the row has' }),
        on: z
          .record(columnName('column of this table'), columnName('column of the parent'), {
            error: 'expected a mapping of column to column of the parent',
          })
          .refine((on) => Object.keys(on).length > 0, {
            error: 'expected at least one column and the column of the parent that it equals',
          })
          .meta({ description: 'columns of this table and the columns of the parent that they equal' }),
      }),
    ],
    { error: 'expected none, the name of a column, or {parent: <table>, on: {<column>: <column of the parent>}}' },
  )
  .meta({ description: 'tenant of a row: a column, a parent, or none; absent: `tenants.column`' });

export const tableSchema = z.preprocess(
  emptyAsMapping,
  z.strictObject(
    {
      tenant: tenantOfTableSchema.optional(),
      updatedAtColumn: columnName(
        'column that each update raises; used by the window scope where it has an index',
      ).optional(),
      capture: choice(
        'trigger: an AFTER trigger captures; client: the application writes through the client library',
        CAPTURE_WAYS,
      ).default('trigger'),
      columns: z
        .record(columnName('target column (a legacy column with `drop`)'), columnSchema, {
          error: 'expected a mapping of column to its mapping',
        })
        .default({})
        .meta({ description: 'columns that are not carried as they are' }),
      criticalColumns: listOf('target columns compared by value in every mode', columnName('column')).default([]),
      every: duration('own interval of reconciliation cycles for this table', { min: '1s', max: '24h' }).optional(),
    },
    { error: 'expected a mapping of table settings, or nothing' },
  ),
);

export const tablesSchema = z
  .record(z.string().regex(TABLE_NAME_PATTERN, { error: `expected ${TABLE_NAME_FORM}` }), tableSchema, {
    error: 'expected a mapping of table name to its settings',
  })
  .refine((tables) => Object.keys(tables).length > 0, { error: 'expected at least one table' })
  .meta({ description: 'tables to migrate, `name` (schema public) or `schema.name`; keys are found in the catalogue' });

export type TableFile = z.output<typeof tableSchema>;
export type ColumnFile = z.output<typeof columnSchema>;
export type TenantsFile = z.output<typeof tenantsSchema>;
