// What a team would write first: one insert for each message, then to everybody who is there. No accounts, no inboxes, no
// sequence for each chat, no acknowledgements: less than Parley does. It speaks the few frames that parley-bench does.
//
// A token is the number of a user, a chat's name is its members' numbers: "0,1". Arguments: socket, folder of Postgres' socket,
// connections to it.
'use strict';
const http = require('http');
const { WebSocketServer } = require('ws');
const { Pool } = require('pg');

const [path, host, connections] = process.argv.slice(2);
const pool = new Pool({ host, user: 'parley_admin', database: 'peer', max: Number(connections) });
const online = new Map(); // user: { ws, n }
const chats = new Map();  // name: users

const INSERT = {
  name: 'insert',
  text: 'insert into message (chat, sender, client_id, body, at) values ($1, $2, $3, $4, now()) returning seq, at',
};

function membersOf(chat) {
  let users = chats.get(chat);
  if (users === undefined) {
    users = chat.split(',');
    chats.set(chat, users);
  }
  return users;
}

async function onSend(connection, frame) {
  const body = JSON.stringify(frame.body);
  const { rows: [row] } = await pool.query({ ...INSERT, values: [frame.chat, connection.user, frame.client_id, body] });
  connection.ws.send(JSON.stringify({ op: 'ok', id: frame.id, chat: frame.chat, seq: row.seq, at: row.at }));
  const event = JSON.stringify({ chat: frame.chat, seq: row.seq, type: 'message', sender: connection.user, at: row.at, client_id: frame.client_id, body: frame.body });
  for (const user of membersOf(frame.chat)) {
    const other = online.get(user);
    if (other !== undefined) other.ws.send(`{"op":"event","n":${++other.n},"event":${event}}`);
  }
}

function onAuth(connection, frame) {
  connection.user = frame.token;
  online.set(frame.token, connection);
  connection.ws.send('{"op":"ready","inbox":0}');
}

const server = http.createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on('connection', (ws) => {
  const connection = { ws, n: 0, user: null };
  ws.on('message', (bytes) => {
    const frame = JSON.parse(bytes);
    if (frame.op === 'auth') onAuth(connection, frame);
    else if (frame.op === 'send') onSend(connection, frame).catch((error) => { console.error(error); process.exit(1); });
  });
  ws.on('close', () => online.delete(connection.user));
});
server.listen(path, () => console.log('ready'));
