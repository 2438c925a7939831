/** FastAGI peers as a dialplan may meet them: one that answers, and those that do everything else. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

export interface FastAgiPeer {
  readonly port: number;
  /** The heads of all requests so far. */
  readonly heads: readonly ReadonlyMap<string, string>[];
  close(): Promise<void>;
}

async function listen(
  onSession: (socket: Socket) => void,
): Promise<{ server: Server; port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    onSession(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  return { server, port: (server.address() as AddressInfo).port, close };
}

/** Accepts, and says nothing or only this. */
export async function startMutePeer(says = ''): Promise<FastAgiPeer> {
  const { port, close } = await listen((socket) => {
    socket.resume();
    if (says !== '') socket.write(says);
  });
  return { port, heads: [], close };
}

/** Accepts, says this, and closes at once. */
export async function startHangingUpPeer(says: string): Promise<FastAgiPeer> {
  const { port, close } = await listen((socket) => void socket.resume().end(says));
  return { port, heads: [], close };
}

/** Sends lines without end, and reads none of the answers when it is deaf. */
export async function startFloodingPeer(options: { readonly isDeaf: boolean }): Promise<FastAgiPeer> {
  const { port, close } = await listen((socket) => {
    if (!options.isDeaf) socket.resume();
    const pour = () => {
      while (!socket.destroyed && socket.write('NOOP nothing\nNO SUCH COMMAND\n'));
    };
    socket.on('drain', pour);
    pour();
  });
  return { port, heads: [], close };
}

/** Sets these variables, as our server does, perhaps late, and closes. */
export async function startAnsweringPeer(
  variables: Readonly<Record<string, string>>,
  { afterMs = 0 }: { readonly afterMs?: number } = {},
): Promise<FastAgiPeer> {
  const heads: ReadonlyMap<string, string>[] = [];
  const { port, close } = await listen((socket) => {
    let received = '';
    let isHead = true;
    const commands = Object.entries(variables).map(
      ([name, value]) => `SET VARIABLE ${name} "${value.replace(/["\\]/g, '\\$&')}"\n`,
    );
    const sendNext = () => {
      const command = commands.shift();
      if (command === undefined) socket.end();
      else socket.write(command);
    };
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      received += chunk;
      if (isHead) {
        const end = received.indexOf('\n\n');
        if (end === -1) return;
        heads.push(
          new Map(
            received
              .slice(0, end)
              .split('\n')
              .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
          ),
        );
        received = received.slice(end + 2);
        isHead = false;
        const timer = setTimeout(sendNext, afterMs);
        socket.on('close', () => clearTimeout(timer));
        return;
      }
      while (received.includes('\n')) {
        received = received.slice(received.indexOf('\n') + 1);
        sendNext();
      }
    });
  });
  return { port, heads, close };
}

/** A port on which nobody listens. */
export async function findDeadPort(): Promise<number> {
  const { port, close } = await listen(() => {});
  await close();
  return port;
}
