import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Bundle, BundleFile } from '../bundle.ts';
import { WebFault } from '../fault.ts';

/** No inline script or style, nothing from elsewhere, and no page may frame it. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "media-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** The built pages below `/ui/`: hashed files for ever, the page itself asked for each time. */
export function addInterfaceRoutes(app: FastifyInstance, bundle: Bundle): void {
  app.get('/', async (_request, reply) => reply.redirect('/ui/', 302));
  app.get('/ui', async (_request, reply) => reply.redirect('/ui/', 302));

  app.get<{ Params: { '*': string } }>('/ui/*', async (request, reply) => {
    const path = request.params['*'];
    const asset = bundle.get(path);
    if (asset !== undefined && path !== 'index.html') {
      const isHashed = path.startsWith('assets/');
      return send(request, reply, asset, isHashed ? 'public, max-age=31536000, immutable' : 'no-cache');
    }
    if (path.startsWith('assets/')) throw new WebFault(404, 'not_found', 'There is no such file of the interface.');
    const page = bundle.get('index.html');
    if (page === undefined)
      throw new WebFault(503, 'not_built', 'The web interface was not built: run "npm run build", then start again.');
    return send(request, reply, page, 'no-cache');
  });
}

function send(request: FastifyRequest, reply: FastifyReply, file: BundleFile, caching: string): FastifyReply {
  const isGzipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  reply.headers({
    'content-type': file.type,
    'content-security-policy': policy,
    'cache-control': caching,
    vary: 'accept-encoding',
    'permissions-policy': 'camera=(), microphone=(), geolocation=()',
    'cross-origin-opener-policy': 'same-origin',
  });
  if (isGzipped) reply.header('content-encoding', 'gzip');
  return reply.send(isGzipped ? file.gzipped : file.plain);
}
