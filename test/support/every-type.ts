/** A table with a column of every sort of type, each with a default that is easily spoilt. */

/** Enums list their values in another order, and collations order differently: what legacy orders by must not matter. */
export const EVERY_TYPE_SQL = {
  legacy: everyType(`'sad', 'ok'`, '"en-x-icu"'),
  target: everyType(`'ok', 'sad'`, '"C"'),
} as const;

function everyType(moods: string, collation: string): string {
  return `
CREATE EXTENSION citext; CREATE EXTENSION hstore;
CREATE COLLATION public.loosely (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
CREATE TYPE public.mood AS ENUM (${moods});
CREATE DOMAIN public.mail AS text CHECK (VALUE LIKE '%@%');
CREATE TYPE public.pair AS (n integer, t text);
CREATE TABLE public.every_type (
  id bigint PRIMARY KEY, a text DEFAULT 'one' COLLATE ${collation}, b text DEFAULT 'two', note text DEFAULT 'x', loose text COLLATE public.loosely DEFAULT 'x', folded citext DEFAULT 'x',
  code char(4) DEFAULT 'ab', short varchar(5) DEFAULT 'ab', letter "char" DEFAULT 'x', label name DEFAULT 'x', amount numeric DEFAULT 1.10, price numeric(12,2) DEFAULT 1.1,
  small smallint DEFAULT 7, middle integer DEFAULT 7, big bigint DEFAULT 7, ratio double precision DEFAULT 0.1, share real DEFAULT 0.1, flag boolean DEFAULT true, raw bytea DEFAULT '\\x01',
  seen_at timestamptz DEFAULT '2026-01-01 12:00+02', made_at timestamp DEFAULT '2026-01-01 12:00', day date DEFAULT '2026-01-01', clock time DEFAULT '12:00', zoned timetz DEFAULT '12:00+02',
  span interval DEFAULT '1 mon 2 days', data jsonb DEFAULT '{"n": 1.0}', doc json DEFAULT '{"n":  1.0}', page xml DEFAULT '<a/>', bits bit(3) DEFAULT B'101', more_bits varbit DEFAULT B'1',
  cash money DEFAULT 1.5::numeric::money, spot point DEFAULT '(1,2)', ring circle DEFAULT '<(1,2),3>', net inet DEFAULT '10.0.0.1', mac macaddr DEFAULT '08:00:2b:01:02:03',
  uid uuid DEFAULT '11111111-2222-3333-4444-555555555555', lsn pg_lsn DEFAULT '0/1', words tsvector DEFAULT 'a b', tags text[] DEFAULT '{a,NULL}', counts integer[] DEFAULT '{1,2}',
  amounts numeric[] DEFAULT '{1.0,NULL}', ratios double precision[] DEFAULT '{0.1,NaN}', moments timestamptz[] DEFAULT '{2026-01-01 00:00+00,NULL}', moods public.mood[] DEFAULT '{ok}',
  reach int4range DEFAULT '[1,9)', levels numrange DEFAULT '[1.0,2]', period tstzrange DEFAULT '[2026-01-01 00:00+00,)', reaches int4multirange DEFAULT '{[1,3)}',
  straight line DEFAULT '{1,2,3}', stretch lseg DEFAULT '[(0,0),(1,1)]', frame box DEFAULT '(1,1),(0,0)', way path DEFAULT '[(0,0),(1,1)]', area polygon DEFAULT '((0,0),(1,1),(1,0))',
  spots point[] DEFAULT '{"(1,2)",NULL}', coins money[] DEFAULT ARRAY[1.5::numeric::money], nets inet[] DEFAULT '{10.0.0.1}', papers jsonb[] DEFAULT '{"{\\"n\\": 1.0}"}', spans interval[] DEFAULT '{1 mon}',
  block cidr DEFAULT '10.0.0.0/8', long_mac macaddr8 DEFAULT '08:00:2b:01:02:03:04:05', object oid DEFAULT 7, trail jsonpath DEFAULT '$.a', query tsquery DEFAULT 'a & b',
  far int8range DEFAULT '[1,9)', local_period tsrange DEFAULT '[2026-01-01 00:00,)', days daterange DEFAULT '[2026-01-01,2026-02-01)', fars int8multirange DEFAULT '{[1,3)}',
  ladder nummultirange DEFAULT '{[1.0,2]}', local_periods tsmultirange DEFAULT '{[2026-01-01 00:00,)}', periods tstzmultirange DEFAULT '{[2026-01-01 00:00+00,)}', holidays datemultirange DEFAULT '{[2026-01-01,2026-01-03)}',
  mood public.mood DEFAULT 'ok', mail public.mail DEFAULT 'a@b', pair public.pair DEFAULT ROW(1, 'a'), options hstore DEFAULT 'a=>1'
);
`;
}
