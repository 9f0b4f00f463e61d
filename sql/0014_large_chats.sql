-- metadata: a large chat is deleted in pieces. Its log writes a member_removed for each member, and one commit of a hundred
-- thousand events would let everybody else's messages wait for seconds.
create or replace function metadata.delete_chat(p_chat bigint, p_by bigint, out problem text, out version bigint)
language plpgsql as $$
declare
    v_role smallint;
    v_piece constant bigint := 500;
    v_members bigint[];
    v_roles bigint[];
begin
    version := 0;
    select l.problem, l.caller_role into problem, v_role from metadata.lock_chat(p_chat, p_by) l;
    if problem <> '' then
        return;
    end if;
    if v_role < 4 then
        problem := 'forbidden';
        return;
    end if;
    -- All pieces but the last, whose members go with the chat.
    for v_members, v_roles in
        select array_agg(m.user_id order by m.user_id), array_agg(m.role::bigint order by m.user_id)
        from (select user_id, role, (row_number() over (order by user_id) - 1) / v_piece as piece,
                     (count(*) over () - 1) / v_piece as last_piece
              from metadata.member where chat_id = p_chat and active) m
        where m.piece < m.last_piece group by m.piece order by m.piece
    loop
        perform metadata.leave_change(p_chat, 3::smallint, p_by, '', v_members, v_roles);
    end loop;
    update metadata.member set active = false where chat_id = p_chat and active;
    update metadata.chat set deleted = true, member_count = 0 where chat_id = p_chat;
    version := metadata.leave_change(p_chat, 5::smallint, p_by, '', '{}', '{}');
end $$;
