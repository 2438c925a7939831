/**
 * The laboratory's own line to an Asterisk: sends actions, hands out events, and keeps every byte when asked to. It is
 * deliberately apart from the product's sessions, so that what tests believe about a call does not rest on the code
 * under test.
 */
import { EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Header names as sent; of repeated headers all values, joined by line breaks. */
export type AmiMessage = Readonly<Record<string, string>>;

export interface AmiLogin {
  readonly port: number;
  readonly username: string;
  readonly secret: string;
  /** Also keep the raw bytes received. */
  readonly keepsBytes?: boolean;
}

/** One logged-in AMI connection. */
export class AmiLink {
  readonly #socket: Socket;
  readonly #events = new EventEmitter();
  readonly #waiting = new Map<string, (message: AmiMessage) => void>();
  readonly #chunks: Buffer[] = [];
  #text = '';
  #isBannerRead = false;
  #lastAction = 0;

  /** @throws when the port is closed or the login is refused */
  static async open(login: AmiLogin): Promise<AmiLink> {
    const socket = connect(login.port, '127.0.0.1');
    const link = new AmiLink(socket, login.keepsBytes ?? false);
    try {
      await once(socket, 'connect');
      await link.send({ Action: 'Login', Username: login.username, Secret: login.secret });
      return link;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  private constructor(socket: Socket, keepsBytes: boolean) {
    this.#socket = socket;
    this.#events.setMaxListeners(0);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      if (keepsBytes) this.#chunks.push(chunk);
      this.#read(chunk.toString('latin1'));
    });
    socket.on('close', () => {
      for (const answer of this.#waiting.values()) answer({ Response: 'Error', Message: 'connection closed' });
      this.#waiting.clear();
    });
  }

  /** All bytes received so far, exactly as Asterisk sent them. */
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** @throws when Asterisk answers with an error or the connection is lost */
  async send(action: Readonly<Record<string, string | readonly string[]>>): Promise<AmiMessage> {
    const id = `lab-${++this.#lastAction}`;
    const lines = Object.entries({ ...action, ActionID: id }).flatMap(([name, value]) =>
      (typeof value === 'string' ? [value] : value).map((one) => `${name}: ${one.replace(/[\r\n]/g, ' ')}\r\n`),
    );
    const answered = new Promise<AmiMessage>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.write(`${lines.join('')}\r\n`);
    const answer = await answered;
    if (answer['Response'] === 'Error') throw new Error(`AMI ${String(action['Action'])}: ${answer['Message']}`);
    return answer;
  }

  /** What a CLI command prints. */
  async command(command: string): Promise<string> {
    return (await this.send({ Action: 'Command', Command: command }))['Output'] ?? '';
  }

  onEvent(listener: (event: AmiMessage) => void): () => void {
    this.#events.on('event', listener);
    return () => void this.#events.off('event', listener);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#text += text;
    if (!this.#isBannerRead) {
      const end = this.#text.indexOf('\r\n');
      if (end < 0) return;
      this.#text = this.#text.slice(end + 2);
      this.#isBannerRead = true;
    }
    for (let end = this.#text.indexOf('\r\n\r\n'); end >= 0; end = this.#text.indexOf('\r\n\r\n')) {
      const block = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 4);
      const message: Record<string, string> = {};
      for (const line of block.split('\r\n')) {
        const colon = line.indexOf(':');
        if (colon < 0) continue;
        const name = line.slice(0, colon);
        const value = Buffer.from(line.slice(colon + 1).trimStart(), 'latin1').toString('utf8');
        message[name] = name in message ? `${message[name]}\n${value}` : value;
      }
      if ('Event' in message) this.#events.emit('event', message);
      else if ('Response' in message) {
        const id = message['ActionID'] ?? '';
        this.#waiting.get(id)?.(message);
        this.#waiting.delete(id);
      }
    }
  }
}
