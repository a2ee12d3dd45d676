// The HTTP server that programs/node.py plays: files from the folder that the argument names, read
// by libuv's threads; below /memory/ the page, from memory; and whatever a POST brings. It says its
// port when it listens, and ends by itself on SIGTERM.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');

const folder = process.argv[2];
const memory = new Map([['page', fs.readFileSync(path.join(folder, 'page'))]]);
const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  response.setHeader('X-Number', url.searchParams.get('n'));
  if (request.method === 'POST') {
    request.pipe(response);
    return;
  }
  request.resume();
  if (url.pathname.startsWith('/memory/')) {
    response.end(memory.get(path.basename(url.pathname)));
    return;
  }
  fs.readFile(path.join(folder, path.basename(url.pathname)), (error, data) => {
    response.statusCode = error ? 404 : 200;
    response.end(error ? error.message : data);
  });
});
// No connection is closed for having been idle, however slow the machine is.
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.listen(0, '127.0.0.1', 1024, () => console.log(`port ${server.address().port}`));
// A connection whose end is not noticed keeps the server from closing.
process.on('SIGTERM', () => server.close(() => console.log('closed')));
