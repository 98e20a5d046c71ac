/**
 * A TCP proxy in front of one PostgreSQL server, so that a mishap can strike at a known moment: when a statement has been sent,
 * when its answer has come, or so that the answer never arrives although the server has committed.
 */
import { connect, createServer, type Socket } from 'node:net';

export type Moment = 'sent' | 'answered';

export interface WireTap {
  readonly port: number;
  /** Resolves at that moment of the next statement whose text contains `text`. What is on its way then has not been passed on. */
  next(text: string, moment: Moment): Promise<void>;
  /** The server carries out the next such statement; its answer is thrown away with the connection. */
  loseAnswer(text: string): Promise<void>;
  stop(): Promise<void>;
}

interface Watch {
  readonly text: string;
  readonly moment: Moment;
  readonly lose: boolean;
  readonly strike: () => void;
}

/** ReadyForQuery, idle: the statement has ended, and with it its own transaction. */
const READY_IDLE = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

export async function tapWire(serverPort: number): Promise<WireTap> {
  let watches: Watch[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1');
    let current: Watch | undefined;
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end);
      socket.on('close', () => {
        sockets.delete(socket);
        end();
      });
    }
    client.on('data', (chunk) => {
      const found = watches.find((watch) => chunk.includes(watch.text));
      if (found !== undefined) {
        watches = watches.filter((watch) => watch !== found);
        if (found.moment === 'sent') {
          upstream.write(chunk, () => found.strike());
          return;
        }
        current = found;
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (current !== undefined && chunk.includes(READY_IDLE)) {
        const { lose, strike } = current;
        current = undefined;
        strike();
        if (lose) {
          end();
          return;
        }
        // Held back for a moment, so that whoever struck is done before the answer is known.
        setTimeout(() => client.write(chunk), 50);
        return;
      }
      client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const watch = (text: string, moment: Moment, lose: boolean) =>
    new Promise<void>((resolve) => watches.push({ text, moment, lose, strike: resolve }));
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    next: (text, moment) => watch(text, moment, false),
    loseAnswer: (text) => watch(text, 'answered', true),
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
