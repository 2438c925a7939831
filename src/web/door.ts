import type { FastifyRequest } from 'fastify';
import type { HttpConfig, MetricsConfig } from './config.ts';
import type { WebParts } from './ports.ts';
import type { TokenOwner } from './tokens.ts';
import type { Visitor } from './visitor.ts';

/** What routes need to know about who asks. */
export interface Door {
  readonly parts: WebParts;
  readonly config: HttpConfig;
  readonly metricsConfig: MetricsConfig;
  /** Rejects with 401, 403 or 429 unless the request bears a token with this access. */
  requireToken(request: FastifyRequest, presented?: string | null): Promise<TokenOwner>;
  /** Who was let in to the API with this request. */
  visitorOf(request: FastifyRequest): Visitor;
}
