/** ding-dong ships no types; declared is what our shell and its tests use of it. */
declare module 'ding-dong/lib/context.js' {
  import type { EventEmitter } from 'node:events';
  export interface DingDongReply {
    readonly code: number;
    readonly result: string;
    readonly value?: string;
  }
  export interface DingDongContext extends EventEmitter {
    pending: ((error: Error | null, reply?: DingDongReply) => void) | null;
    stream: { write(line: string): void };
    variables: Record<string, string>;
    readResponseLine(line: string): void;
    setVariable(name: string, value: string): Promise<DingDongReply>;
    getVariable(name: string): Promise<DingDongReply>;
    exec(application: string, ...options: string[]): Promise<DingDongReply>;
    verbose(message: string, level: number): Promise<DingDongReply>;
    end(): Promise<void>;
    onEvent(event: 'variables'): Promise<Record<string, string>>;
    onEvent(event: string): Promise<unknown>;
  }
  const Context: { new (stream: unknown, options?: object): DingDongContext; readonly prototype: DingDongContext };
  export default Context;
}
declare module 'ding-dong' {
  import type { Server } from 'node:net';
  import type { DingDongContext } from 'ding-dong/lib/context.js';
  export default function agi(
    handler: (context: DingDongContext) => void,
    options?: { port?: number; host?: string; debug?: boolean; logger?: (...args: unknown[]) => void },
  ): { start(port?: number, host?: string): Server };
}
