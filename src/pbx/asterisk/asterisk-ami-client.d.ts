/** asterisk-ami-client ships no types; declared is what our shell and its tests use of it. */
declare module 'asterisk-ami-client' {
  import type { EventEmitter } from 'node:events';
  import type { NetConnectOpts } from 'node:net';

  export interface AmiConnection extends EventEmitter {
    /** A string is sent as it is, ended by one empty line; an object as one header per key. */
    write(message: string | Readonly<Record<string, unknown>>): boolean;
    close(): void;
    readonly isConnected: boolean;
  }
  export interface AmiClientOptions {
    readonly reconnect?: boolean;
    readonly maxAttemptsCount?: number | null;
    readonly attemptsDelay?: number;
    readonly keepAlive?: boolean;
    readonly keepAliveDelay?: number;
    readonly emitEventsByTypes?: boolean;
    readonly emitResponsesById?: boolean;
  }
  export default class AmiClient extends EventEmitter {
    constructor(options?: AmiClientOptions);
    connect(user: string, secret: string, options: NetConnectOpts): Promise<AmiConnection>;
    disconnect(): this;
    action(message: Record<string, unknown>, isPromise: true): Promise<Record<string, string>>;
    action(message: Record<string, unknown>): this;
  }
}
