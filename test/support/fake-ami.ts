/**
 * A scripted AMI server on 127.0.0.1: greets, answers logins, pings and lists like Asterisk 22, and misbehaves when told
 * to. It reads actions with a parser of its own, byte for byte, so that it sees what really came over the wire.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

export interface FakeAction {
  /** As received, without the blank line that ended it. */
  readonly text: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** First value of a header, empty when absent. */
  get(name: string): string;
}

export interface FakeAmiOptions {
  readonly secret?: string;
  /** Sent behind the answer to the login, in the same segment. */
  readonly withLogin?: string;
  /** Accepts and never says a word. */
  readonly isMute?: boolean;
  /** Greets, and answers nothing. */
  readonly isDeaf?: boolean;
  /** Channels that CoreShowChannels lists; null: permission denied. */
  readonly channels?: readonly Readonly<Record<string, string>>[] | null;
  /** Answers to further actions; `''` is no answer. */
  readonly answer?: (action: FakeAction, connection: FakeConnection) => string | undefined;
}

export class FakeConnection {
  readonly socket: Socket;
  readonly actions: FakeAction[] = [];
  isClosed = false;
  constructor(socket: Socket) {
    this.socket = socket;
  }
  send(text: string): void {
    if (!this.isClosed) this.socket.write(text);
  }
  event(name: string, headers: Readonly<Record<string, string>>): void {
    this.send(amiMessage({ Event: name, ...headers }));
  }
  drop(): void {
    this.socket.destroy();
  }
}

export class FakeAmi {
  options: FakeAmiOptions;
  readonly connections: FakeConnection[] = [];
  readonly #server: Server;

  static async start(options: FakeAmiOptions = {}, port = 0): Promise<FakeAmi> {
    const fake = new FakeAmi(options);
    fake.#server.listen(port, '127.0.0.1');
    await once(fake.#server, 'listening');
    return fake;
  }

  private constructor(options: FakeAmiOptions) {
    this.options = options;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }
  get connection(): FakeConnection {
    const connection = this.connections.at(-1);
    if (connection === undefined) throw new Error('Nobody has connected');
    return connection;
  }
  /** All actions received, over all connections. */
  get actions(): FakeAction[] {
    return this.connections.flatMap((connection) => connection.actions);
  }

  async stop(): Promise<void> {
    for (const connection of this.connections) connection.drop();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, 'close');
  }

  #serve(socket: Socket): void {
    const connection = new FakeConnection(socket);
    this.connections.push(connection);
    socket.on('error', () => {});
    socket.on('close', () => (connection.isClosed = true));
    if (this.options.isMute) {
      socket.resume();
      return;
    }
    connection.send('Asterisk Call Manager/11.0.0\r\n');
    let rest = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      const received = readActions(rest + chunk);
      rest = received.rest;
      for (const action of received.actions) {
        connection.actions.push(action);
        if (!this.options.isDeaf) connection.send(this.#answer(action, connection));
      }
    });
  }

  #answer(action: FakeAction, connection: FakeConnection): string {
    const scripted = this.options.answer?.(action, connection);
    if (scripted !== undefined) return scripted;
    const reply = (headers: Readonly<Record<string, string>>) =>
      amiMessage({ Response: 'Success', ActionID: action.get('ActionID'), ...headers });
    const list = (items: readonly Readonly<Record<string, string>>[], item: string, end: string) =>
      reply({ EventList: 'start', Message: 'List will follow' }) +
      items.map((headers) => amiMessage({ Event: item, ActionID: action.get('ActionID'), ...headers })).join('') +
      amiMessage({
        Event: end,
        ActionID: action.get('ActionID'),
        EventList: 'Complete',
        ListItems: String(items.length),
      });
    switch (action.get('Action').toLowerCase()) {
      case 'login':
        return action.get('Secret') === (this.options.secret ?? 'secret')
          ? reply({ Message: 'Authentication accepted' }) + (this.options.withLogin ?? '')
          : reply({ Response: 'Error', Message: 'Authentication failed' });
      case 'ping':
        return reply({ Ping: 'Pong', Timestamp: '1795250437.109040' });
      case 'events':
        return reply({ Events: 'On' });
      case 'filter':
        return reply({ Response: 'Error', Message: 'Permission denied' });
      case 'bridgelist':
        return list([], 'BridgeListItem', 'BridgeListComplete');
      case 'coreshowchannels':
        return this.options.channels === null
          ? reply({ Response: 'Error', Message: 'Permission denied' })
          : list(this.options.channels ?? [], 'CoreShowChannel', 'CoreShowChannelsComplete');
      case 'devicestatelist':
        return list([], 'DeviceStateChange', 'DeviceStateListComplete');
      default:
        return reply({ Response: 'Error', Message: 'Invalid/unknown command' });
    }
  }
}

/** A message in AMI's form. */
export function amiMessage(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .concat('\r\n')
    .join('');
}

/** The actions in bytes from a client, read as Asterisk does: line by line, an empty line ends an action. */
export function readActions(text: string): { readonly actions: FakeAction[]; readonly rest: string } {
  const texts = text.split('\r\n\r\n');
  const rest = texts.pop()!;
  return { actions: texts.map(readAction), rest };
}

function readAction(text: string): FakeAction {
  const headers = text
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line): [string, string] => {
      const colon = line.indexOf(':');
      return colon < 0 ? ['', line] : [line.slice(0, colon), line.slice(colon + 1).trimStart()];
    });
  return {
    text,
    headers,
    get: (name) => headers.find(([header]) => header.toLowerCase() === name.toLowerCase())?.[1] ?? '',
  };
}
