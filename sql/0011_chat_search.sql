-- chat: search. A document per message, made from the log some moments later, by the owner of the partition
-- (chat_index.c); the log itself pays nothing for it, and everything here can be made again from the log.
--
-- Words are kept with a key before each, so that one inverted index serves all chats and a question touches only what
-- belongs to the chats of who asks: the key stands for a chat and a block of 4096 seqs of it. Newest blocks are asked
-- first. So neither a word that is everywhere nor one that is nowhere costs more than a block's messages plus one
-- look a block. Two blocks may share a key by chance: what is found is held against chat and seq.

-- How far the feed of a partition is in the index.
create table chat.search_cursor (
    partition   integer primary key,
    feed_offset bigint not null
) with (fillfactor = 20);

create table chat.search_document (
    partition integer not null,
    chat_id   bigint not null,
    seq       bigint not null,
    at_ms     bigint not null,
    words     tsvector not null, -- without positions; also '@' and the sender, each behind the key of the block
    primary key (partition, chat_id, seq)
);
-- Without the list of what is pending: every search would have to read all of it.
create index search_document_words on chat.search_document using gin (words) with (fastupdate = off);

-- When the first and the last message of a block were sent, by the clock: what a block may hold for a page.
create table chat.search_block (
    partition integer not null,
    chat_id   bigint not null,
    block     bigint not null, -- seq / 4096
    first_ms  bigint not null,
    last_ms   bigint not null,
    primary key (partition, chat_id, block)
) with (fillfactor = 70);

grant select, insert, update, delete on chat.search_cursor, chat.search_document, chat.search_block to parley_chat;

-- --- words ---
-- Nothing here depends on the database's locale: letters are made small by ICU's root locale, and what is a letter is
-- asked of it too.

-- Between words: as the content of a bracket expression. ASCII's symbols are no punctuation to Unicode.
create function chat.search_separators() returns text language sql immutable parallel safe as $$
    select '[:space:][:punct:][:cntrl:]$+<=>^`|~'
           '\u00A0\u00A6\u00A8\u00AC\u00AF\u00B1\u00B4\u00B8\u00D7\u00F7\uFF00-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65\uFFE0-\uFFEF\uFFFC\uFFFD'
$$;

-- What is written without spaces between words (Chinese, Japanese, Korean, Thai, Lao, Burmese, Khmer), and symbols:
-- found by each sign and by each two of them that stand together, so that any part of a run is found.
create function chat.search_signs() returns text language sql immutable parallel safe as $$
    select '\u00A2-\u00A5\u00A9\u00AE\u00B0\u0E01-\u0E3A\u0E40-\u0E4E\u0E81-\u0ECD\u1000-\u103F\u1050-\u108F\u1100-\u11FF\u1780-\u17D3'
           '\u20A0-\u20CF\u2100-\u214F\u2190-\u2BFF\u2E80-\u2FDF\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303C\u3041-\u3096'
           '\u3099\u309A\u309D-\u309F\u30A1-\u30FA\u30FC-\u30FF\u3105-\u312F\u3131-\u318E\u31A0-\u31BF\u31F0-\u31FF\u3400-\u4DBF'
           '\u4E00-\u9FFF\uA960-\uA97C\uAC00-\uD7FB\uF900-\uFAFF\uFF66-\uFFDC\U0001F000-\U0001FBFF\U00020000-\U000323AF'
$$;

-- What differs in writing and not in meaning becomes the same: capitals, accents, width, ligatures, vowel points.
-- U+E000 stands in for the one letter that would lose its mark and is another letter then.
create function chat.search_fold(p_text text) returns text
language plpgsql immutable strict parallel safe as $$
declare
    v_text text := lower(p_text collate "und-x-icu");
begin
    if octet_length(v_text) = length(v_text) then
        return v_text;
    end if;
    v_text := lower(normalize(p_text, NFKC) collate "und-x-icu");
    if v_text ~ '[ςøđðłħıй]' collate "C" then
        v_text := translate(v_text, 'ςøđðłħıй', U&'σoddlhi\E000');
    end if;
    if v_text ~ '[\u0600-\u06FF\u0966-\u096F]' collate "C" then
        v_text := translate(v_text, 'ىیةکھ٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९', 'ييهكه012345678901234567890123456789');
    end if;
    v_text := regexp_replace(normalize(v_text, NFKD),
        '[\u00AD\u0300-\u036F\u0483-\u0487\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A\u0640\u064B-\u065F\u0670'
        '\u06D6-\u06DC\u06DF-\u06E4\u06E7\u06E8\u06EA-\u06ED\u1AB0-\u1AFF\u1DC0-\u1DFF\u200B-\u200F\u202A-\u202E\u2060-\u2064'
        '\u2066-\u2069\u20D0-\u20FF\uFE00-\uFE0F\uFE20-\uFE2F\uFEFF\U000E0000-\U000E01EF]' collate "C", '', 'g');
    v_text := replace(replace(replace(replace(v_text, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th');
    return normalize(replace(v_text, U&'\E000', 'й'), NFC);
end $$;

-- Words are cut at 255 letters: a lexeme has room for 2046 bytes.
create function chat.search_words(p_folded text) returns text[]
language plpgsql immutable strict parallel safe as $$
declare
    v_text text := btrim(regexp_replace(p_folded, '[' || chat.search_separators() || chat.search_signs() || ']+'
                                        collate "und-x-icu", ' ', 'g'));
begin
    if length(v_text) > 255 then
        v_text := regexp_replace(v_text, '([^ ]{255})[^ ]+', '\1', 'g');
    end if;
    return string_to_array(v_text, ' ');
end $$;

create function chat.search_runs(p_folded text) returns text[]
language plpgsql immutable strict parallel safe as $$
begin
    if octet_length(p_folded) = length(p_folded) or p_folded !~ ('[' || chat.search_signs() || ']') collate "C" then
        return '{}';
    end if;
    return string_to_array(btrim(regexp_replace(p_folded, '[^' || chat.search_signs() || ']+' collate "C", ' ', 'g')), ' ');
end $$;

-- What a text is found by: its words, the signs of its runs and the pairs of them.
create function chat.search_lexemes(p_folded text) returns text[]
language plpgsql immutable strict parallel safe as $$
declare
    v_lexemes text[] := chat.search_words(p_folded);
    v_run text;
    v_signs text[];
begin
    foreach v_run in array chat.search_runs(p_folded) loop
        v_signs := string_to_array(v_run, null);
        v_lexemes := v_lexemes || v_signs
                     || array(select a || b from unnest(v_signs, v_signs[2:]) pair (a, b) where b is not null);
    end loop;
    return v_lexemes;
end $$;

-- One key for a chat and a block of it.
create function chat.search_key(p_chat bigint, p_block bigint) returns text
language sql immutable strict parallel safe as $$
    select lpad(to_hex(hashint8extended(p_chat, p_block) & 16777215), 6, '0')
$$;

-- The document of a message. The bar holds sender and words apart; no word has one.
create function chat.search_document_words(p_chat bigint, p_seq bigint, p_sender bigint, p_text text) returns tsvector
language plpgsql immutable strict parallel safe as $$
declare
    v_key text := chat.search_key(p_chat, p_seq / 4096);
    v_lexemes text[] := chat.search_lexemes(chat.search_fold(p_text)) || ('|' || p_sender);
begin
    return array_to_tsvector(array(select v_key || lexeme from unnest(v_lexemes) lexeme));
end $$;

-- --- what is asked for ---

-- The question as the text of a tsquery, in which # stands for the key: each word by its beginning, of each run all
-- pairs (or its one sign). No lexeme has a quote or a #: both are separators.
create function chat.search_query(p_words text[], p_runs text[], p_sender bigint) returns text
language plpgsql immutable parallel safe as $$
declare
    v_terms text[] := array(select '''#' || word || ''':*' from unnest(p_words) word);
    v_run text;
    v_signs text[];
begin
    foreach v_run in array p_runs loop
        v_signs := string_to_array(v_run, null);
        v_terms := v_terms || case cardinality(v_signs) when 1 then array['''#' || v_run || '''']
            else array(select distinct '''#' || a || b || '''' from unnest(v_signs, v_signs[2:]) pair (a, b) where b is not null) end;
    end loop;
    if p_sender <> 0 then
        v_terms := v_terms || ('''#|' || p_sender || '''');
    end if;
    return array_to_string(v_terms, ' & ');
end $$;

-- Whether a text is found by these, without any index. Pairs that are all there may still be no run.
create function chat.search_finds(p_text text, p_words text[], p_runs text[]) returns boolean
language plpgsql immutable parallel safe as $$
declare
    v_folded text := chat.search_fold(p_text);
    v_run text;
begin
    if v_folded is null then
        return false;
    end if;
    foreach v_run in array p_runs loop
        if position(v_run in v_folded) = 0 then
            return false;
        end if;
    end loop;
    return p_words = '{}' or array_to_tsvector(chat.search_words(v_folded)) @@ replace(chat.search_query(p_words, '{}', 0), '#', '')::tsquery;
end $$;

-- The text of a message's body; null when it has none, or is damaged.
create function chat.search_text(p_body text) returns text
language plpgsql immutable strict parallel safe as $$
begin
    return p_body::json ->> 'text';
exception when data_exception then
    return null;
end $$;

-- The text of a message as it is now; null when it is deleted.
create function chat.search_present_text(p_message chat.event) returns text
language sql stable as $$
    select case when p_message.delete_seq is not null or p_message.type <> 1 then null
                when p_message.edit_seq is null then chat.search_text(p_message.body)
                else (select chat.search_text(x.body) from chat.event x where x.partition = p_message.partition
                      and x.chat_id = p_message.chat_id and x.seq = p_message.edit_seq) end
$$;

-- --- the index ---

-- Takes the next events of a partition's feed into the index: p_limit at most, ending early where their content comes to
-- p_bytes. A message that is new or edited gets its document from what it is now, a deleted one loses it; so the same
-- slice again changes nothing. The row of the cursor is locked: two of these never work on one partition. The commit
-- need not be on the disk: whatever is lost with a crash is lost with its cursor, and made again.
create function chat.index_slice(p_partition bigint, p_limit bigint, p_bytes bigint)
returns table (taken bigint, now_offset bigint)
language plpgsql as $$
declare
    v_partition integer := p_partition;
    v_cursor bigint;
    v_taken bigint;
    v_last bigint;
    v_chats bigint[];
    v_seqs bigint[];
begin
    perform set_config('synchronous_commit', 'off', true);
    insert into chat.search_cursor (partition, feed_offset) values (v_partition, 0) on conflict do nothing;
    select c.feed_offset into v_cursor from chat.search_cursor c where c.partition = v_partition for update;
    select count(*), max(e.feed_offset), array_agg(e.chat_id) filter (where e.type in (1, 6, 7)),
           array_agg(case e.type when 1 then e.seq else e.subject_id end) filter (where e.type in (1, 6, 7))
    into v_taken, v_last, v_chats, v_seqs
    from (select e.feed_offset, e.chat_id, e.seq, e.type, e.subject_id,
                 sum(coalesce(octet_length(e.body), 0)) over (order by e.feed_offset rows between unbounded preceding and 1 preceding) as bytes_before
          from (select * from chat.event e where e.partition = v_partition and e.feed_offset > v_cursor
                order by e.feed_offset limit p_limit) e) e
    where coalesce(e.bytes_before, 0) < p_bytes;
    if v_chats is not null then
        perform chat.index_messages(v_partition, v_chats, v_seqs);
    end if;
    if v_taken > 0 then
        update chat.search_cursor c set feed_offset = v_last where c.partition = v_partition;
    end if;
    return query select v_taken, coalesce(v_last, v_cursor);
end $$;

create function chat.index_messages(p_partition integer, p_chats bigint[], p_seqs bigint[]) returns void
language plpgsql as $$
begin
    with present as materialized (
        select e.chat_id, e.seq, e.sender_id, e.at_ms, chat.search_present_text(e) as text
        from (select distinct chat_id, seq from unnest(p_chats, p_seqs) touched (chat_id, seq)) t
        join chat.event e on e.partition = p_partition and e.chat_id = t.chat_id and e.seq = t.seq
    ), removed as (
        delete from chat.search_document d using present p
        where p.text is null and d.partition = p_partition and d.chat_id = p.chat_id and d.seq = p.seq
    ), spread as (
        insert into chat.search_block as b (partition, chat_id, block, first_ms, last_ms)
        select p_partition, p.chat_id, p.seq / 4096, min(p.at_ms), max(p.at_ms) from present p
        where p.text is not null group by 2, 3
        on conflict (partition, chat_id, block) do update
            set first_ms = least(b.first_ms, excluded.first_ms), last_ms = greatest(b.last_ms, excluded.last_ms)
            where b.first_ms > excluded.first_ms or b.last_ms < excluded.last_ms
    )
    insert into chat.search_document (partition, chat_id, seq, at_ms, words)
    select p_partition, p.chat_id, p.seq, p.at_ms, chat.search_document_words(p.chat_id, p.seq, p.sender_id, p.text)
    from present p where p.text is not null
    on conflict (partition, chat_id, seq) do update set words = excluded.words;
end $$;

-- Past one event that cannot be taken in.
create function chat.index_skip(p_partition bigint) returns table (skipped_chat bigint, skipped_seq bigint)
language sql as $$
    with next as (
        select e.partition, e.chat_id, e.seq, e.feed_offset from chat.search_cursor c
        join chat.event e on e.partition = c.partition and e.feed_offset > c.feed_offset
        where c.partition = p_partition order by e.feed_offset limit 1
    ), moved as (
        update chat.search_cursor c set feed_offset = n.feed_offset from next n where c.partition = n.partition
    ), noted as (
        insert into chat.poison as p (partition, chat_id, seq, reason)
        select n.partition, n.chat_id, n.seq, 'not in the search index' from next n
        on conflict (partition, chat_id, seq) do update set last_at = now(), times = p.times + 1
    )
    select n.chat_id, n.seq from next n
$$;

-- Everything from the beginning, when the index is not to be trusted. For an administrator; the daemon notices within a
-- minute, and search is incomplete until it is through.
create function chat.index_again() returns void
language sql as $$
    truncate chat.search_document, chat.search_block, chat.search_cursor;
$$;

-- --- searching ---

create type chat.search_hit as (at_ms bigint, chat_id bigint, seq bigint, partition integer);

create function chat.search_newest(p_hits chat.search_hit[], p_limit bigint) returns chat.search_hit[]
language sql immutable as $$
    select array(select h from (select distinct h from unnest(p_hits) h) d
                 order by (h).at_ms desc, (h).chat_id desc, (h).seq desc limit p_limit)
$$;

-- The chats of which a user is a member now (p_chat: only this one), and from which seq on they may see something.
create function chat.search_chats(p_user bigint, p_partition bigint, p_chat bigint)
returns table (partition integer, chat_id bigint, first_seq bigint)
language sql stable rows 100 as $$
    select m.partition, m.chat_id,
           case when c.history = 2 then 1
                else (select min(s.from_seq) from chat.member s where s.partition = m.partition and s.chat_id = m.chat_id
                      and s.user_id = p_user) end
    from chat.member m
    join chat.chat c on c.partition = m.partition and c.chat_id = m.chat_id and not c.deleted
    where m.user_id = p_user and m.to_seq = 0 and (p_chat = 0 or (m.partition = p_partition and m.chat_id = p_chat))
$$;

-- What the user may search for in a chat, and what not: '' or a code of shared/net/problem.h.
create function chat.search_problem(p_user bigint, p_partition bigint, p_chat bigint) returns text
language sql stable as $$
    select case when p_chat = 0 then ''
                else coalesce((select case bool_or(m.to_seq = 0) when true then '' when false then 'not_member' end
                               from chat.chat c
                               join chat.member m on m.partition = c.partition and m.chat_id = c.chat_id and m.user_id = p_user
                               where c.partition = p_partition and c.chat_id = p_chat and not c.deleted), 'not_found') end
$$;

-- Messages of these chats that the index does not know as they are now, because it is behind the log: the p_tail newest
-- events that it lacks are looked at one by one. `is_whole`: it lacks no more than these.
create function chat.search_tail(p_user bigint, p_partition bigint, p_chat bigint, p_sender bigint, p_before_ms bigint,
                                 p_last chat.search_hit, p_words text[], p_runs text[], p_tail bigint)
returns table (hits chat.search_hit[], is_whole boolean)
language plpgsql stable as $$
begin
    if not exists (select from chat.partition p left join chat.search_cursor i on i.partition = p.partition
                   where p.head_offset > coalesce(i.feed_offset, 0)) then
        return query select '{}'::chat.search_hit[], true;
        return;
    end if;
    return query
    with behind as materialized (
        select m.partition, m.chat_id, coalesce(i.feed_offset, 0) as feed_offset
        from chat.search_chats(p_user, p_partition, p_chat) m
        left join chat.search_cursor i on i.partition = m.partition
        cross join lateral (select h.feed_offset, h.at_ms from chat.event h
                            where h.partition = m.partition and h.chat_id = m.chat_id order by h.seq desc limit 1) h
        where h.feed_offset > coalesce(i.feed_offset, 0)
        order by h.at_ms desc limit 51
    ), lacking as materialized (
        select e.*
        from (select * from behind limit 50) b
        cross join lateral (select * from chat.event e where e.partition = b.partition and e.chat_id = b.chat_id
                            order by e.seq desc limit p_tail + 1) e
        where e.feed_offset > b.feed_offset
        order by e.at_ms desc limit p_tail + 1
    ), found as (
        select distinct m.at_ms, m.chat_id, m.seq, m.partition
        from (select * from lacking limit p_tail) l
        join chat.event m on m.partition = l.partition and m.chat_id = l.chat_id
                             and m.seq = case l.type when 1 then l.seq when 6 then l.subject_id end
        where m.at_ms < p_before_ms and (p_sender = 0 or m.sender_id = p_sender)
          and (p_last is null or (m.at_ms, m.chat_id, m.seq) < ((p_last).at_ms, (p_last).chat_id, (p_last).seq))
          and exists (select from chat.visible_spans(p_user, m.partition, m.chat_id) s where m.seq between s.from_seq and s.to_seq)
          and chat.search_finds(chat.search_present_text(m), p_words, p_runs)
    )
    select array(select row(f.at_ms, f.chat_id, f.seq, f.partition)::chat.search_hit from found f),
           (select count(*) <= p_tail from lacking) and (select count(*) <= 50 from behind);
end $$;

-- What the index has of some blocks, newest first. Of an edited message only what it is now counts, and pairs of signs
-- may be there without the run.
create function chat.search_in_blocks(p_user bigint, p_chats bigint[], p_blocks bigint[], p_before_ms bigint, p_last chat.search_hit,
                                      p_query text, p_words text[], p_runs text[], p_limit bigint)
returns chat.search_hit[]
language plpgsql stable as $$
declare
    v_query tsquery := (select string_agg('(' || replace(p_query, '#', chat.search_key(chat_id, block)) || ')', '|')::tsquery
                        from unnest(p_chats, p_blocks) b (chat_id, block));
    v_must_look boolean := exists (select from unnest(p_runs) run where length(run) > 2);
begin
    return array(
        with found as materialized (
            select d.partition, d.chat_id, d.seq, d.at_ms from chat.search_document d where d.words @@ v_query
        )
        select row(f.at_ms, f.chat_id, f.seq, f.partition)::chat.search_hit
        from (select * from found f
              where f.chat_id = any (p_chats) and f.at_ms < p_before_ms
                and (p_last is null or (f.at_ms, f.chat_id, f.seq) < ((p_last).at_ms, (p_last).chat_id, (p_last).seq))
              order by f.at_ms desc, f.chat_id desc, f.seq desc offset 0) f
        join chat.event e on e.partition = f.partition and e.chat_id = f.chat_id and e.seq = f.seq
        where e.delete_seq is null
          and exists (select from chat.visible_spans(p_user, f.partition, f.chat_id) s where f.seq between s.from_seq and s.to_seq)
          and (not v_must_look and e.edit_seq is null or chat.search_finds(chat.search_present_text(e), p_words, p_runs))
        order by f.at_ms desc, f.chat_id desc, f.seq desc limit p_limit);
end $$;

-- The p_limit newest messages that the user may see now and that have all of p_text's words, below p_last (the last one
-- of the page before; null: from the newest) and before p_before_ms. In one chat, or (p_chat 0) in all that the user is a
-- member of; of one sender, or (0) of anybody. By the times of sending; of the same time, by chat and seq, so that
-- pages hang together whatever is sent meanwhile. Blocks are taken by when they end, until none can have a newer hit.
--
-- `problem`: '', a code of shared/net/problem.h, or no_words or too_many_words. Is `complete` false, then events that
-- are not in the index yet were passed over.
create function chat.search(p_user bigint, p_partition bigint, p_chat bigint, p_sender bigint, p_before_ms bigint,
                            p_last chat.search_hit, p_text text, p_max_words bigint, p_limit bigint, p_tail bigint)
returns table (problem text, complete boolean, hits chat.search_hit[], words text[], runs text[])
language plpgsql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = on as $$
declare
    v_folded text := chat.search_fold(p_text);
    v_query text;
    v_block record;
    v_chats bigint[] := '{}';
    v_blocks bigint[] := '{}';
    v_at_once integer := 1; -- blocks: more when there is little in them
    v_found chat.search_hit[];
begin
    words := array(select distinct word from unnest(chat.search_words(v_folded)) word);
    runs := array(select distinct run from unnest(chat.search_runs(v_folded)) run);
    hits := '{}';
    complete := true;
    problem := case when words = '{}' and runs = '{}' then 'no_words'
                    when cardinality(words) + cardinality(runs) > p_max_words then 'too_many_words'
                    else chat.search_problem(p_user, p_partition, p_chat) end;
    if problem <> '' then
        return next;
        return;
    end if;
    v_query := chat.search_query(words, runs, p_sender);
    select chat.search_newest(t.hits, p_limit), t.is_whole into hits, complete
    from chat.search_tail(p_user, p_partition, p_chat, p_sender, p_before_ms, p_last, words, runs, p_tail) t;
    for v_block in
        select b.chat_id, b.block, b.last_ms
        from chat.search_chats(p_user, p_partition, p_chat) m
        join chat.search_block b on b.partition = m.partition and b.chat_id = m.chat_id and b.block >= m.first_seq / 4096
        where b.first_ms < p_before_ms and (p_last is null or b.first_ms <= (p_last).at_ms)
        order by b.last_ms desc
    loop
        exit when cardinality(hits) >= p_limit and v_block.last_ms < (hits[p_limit]).at_ms;
        v_chats := v_chats || v_block.chat_id;
        v_blocks := v_blocks || v_block.block;
        if cardinality(v_blocks) >= v_at_once then
            v_found := chat.search_in_blocks(p_user, v_chats, v_blocks, p_before_ms, p_last, v_query, words, runs, p_limit);
            hits := case when v_found = '{}' then hits else chat.search_newest(hits || v_found, p_limit) end;
            v_at_once := case when cardinality(v_found) < p_limit then least(v_at_once * 2, 32) else 1 end;
            v_chats := '{}';
            v_blocks := '{}';
        end if;
    end loop;
    if v_blocks <> '{}' then
        hits := chat.search_newest(hits || chat.search_in_blocks(p_user, v_chats, v_blocks, p_before_ms, p_last, v_query, words, runs,
                                                                 p_limit), p_limit);
    end if;
    return next;
end $$;

-- --- what is shown of a hit ---

-- From where on 240 letters of a longer text show the first hit. Folding may change the length: about there.
create function chat.search_excerpt_start(p_text text, p_words text[], p_runs text[]) returns integer
language plpgsql immutable parallel safe as $$
declare
    v_folded text := chat.search_fold(p_text);
    v_apart text := ' ' || regexp_replace(v_folded, '[' || chat.search_separators() || chat.search_signs() || ']' collate "und-x-icu",
                                          ' ', 'g');
    v_first integer := (select min(place)
                        from (select position(' ' || word in v_apart) from unnest(p_words) word
                              union all select position(run in v_folded) from unnest(p_runs) run) found (place)
                        where place > 0);
begin
    return greatest(1, coalesce(v_first, 1)::bigint * length(p_text) / greatest(1, length(v_folded)) - 60);
end $$;

-- Which of the signs of a run are part of what was asked for. What follows a sign and belongs to it is one with it.
create function chat.search_mark_run(p_run text, p_runs text[], out signs text[], out marks boolean[])
language plpgsql immutable parallel safe as $$
declare
    v_folded text[];
    v_asked text;
    v_last integer;
begin
    signs := array(select sign[1] from regexp_matches(p_run, '.[\u0300-\u036F\u200D\u3099\u309A\uFE00-\uFE0F\uFF9E\uFF9F]*', 'g') sign);
    v_folded := array(select chat.search_fold(sign) from unnest(signs) sign);
    marks := array_fill(false, array[cardinality(signs)]);
    foreach v_asked in array p_runs loop
        for v_first in 1 .. cardinality(signs) - length(v_asked) + 1 loop
            v_last := v_first + length(v_asked) - 1;
            if array_to_string(v_folded[v_first:v_last], '') = v_asked then
                marks[v_first:v_last] := array_fill(true, array[length(v_asked)]);
            end if;
        end loop;
    end loop;
end $$;

create function chat.search_piece(p_text text, p_hit boolean) returns text
language sql immutable parallel safe as $$
    select case when p_text = '' then '' else ',{"text":' || to_json(p_text) || ',"hit":' || p_hit || '}' end
$$;

-- The pieces of a text that a client shows one after the other: [{"text":"…","hit":false},…]. At most about 240 letters
-- around the first hit, with … where something was left out.
create function chat.search_excerpt(p_text text, p_words text[], p_runs text[]) returns text
language plpgsql immutable parallel safe as $$
declare
    v_start integer := case when length(p_text) > 240 then chat.search_excerpt_start(p_text, p_words, p_runs) else 1 end;
    v_shown text := substr(p_text, v_start, 240);
    v_texts text[] := '{}';
    v_marks boolean[] := '{}';
    v_parts text[];
    v_run record;
    v_pieces text := '';
    v_text text := '';
    v_mark boolean := false;
begin
    if v_start > 1 then
        v_shown := '…' || regexp_replace(v_shown, '^[^' || chat.search_separators() || chat.search_signs() || ']{1,40}' collate "und-x-icu", '');
    end if;
    if v_start + 240 <= length(p_text) then
        v_shown := v_shown || '…';
    end if;
    for v_parts in
        select part
        from regexp_matches(v_shown, '([' || chat.search_signs() || '][\u0300-\u036F\u200D\u3099\u309A\uFE00-\uFE0F\uFF9E\uFF9F'
                            || chat.search_signs() || ']*)|([^' || chat.search_separators() || chat.search_signs() || ']+)|(['
                            || chat.search_separators() || ']+)' collate "und-x-icu", 'g') part
    loop
        if v_parts[1] is not null then
            v_run := chat.search_mark_run(v_parts[1], p_runs);
            v_texts := v_texts || v_run.signs;
            v_marks := v_marks || v_run.marks;
        elsif v_parts[2] is not null then
            v_texts := v_texts || v_parts[2];
            v_marks := v_marks || (chat.search_fold(v_parts[2]) ^@ any (p_words));
        else
            v_texts := v_texts || v_parts[3];
            v_marks := v_marks || false;
        end if;
    end loop;
    for v_at in 1 .. cardinality(v_texts) loop
        if v_marks[v_at] <> v_mark then
            v_pieces := v_pieces || chat.search_piece(v_text, v_mark);
            v_text := '';
            v_mark := not v_mark;
        end if;
        v_text := v_text || v_texts[v_at];
    end loop;
    return '[' || ltrim(v_pieces || chat.search_piece(v_text, v_mark), ',') || ']';
end $$;

grant execute on all functions in schema chat to parley_chat;
-- That one is for whoever administers the database.
revoke execute on function chat.index_again() from public, parley_chat;
