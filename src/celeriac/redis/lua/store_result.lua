-- store_result: keep one task's result, in the database that is selected.
--
--   store_result(key, document, execution, state, lifetime, content_type, encoding) -> 1 stored, 0 refused
--
--   key           the result's key, with prefix: <global_keyprefix>celery-task-meta-<task id>
--   document      the document's bytes; a readable one says its execution already, unless that is "0"
--   execution     which execution says so, as text; "0": there was no delivery, which is never refused
--   state         the task's state
--   lifetime      milliseconds, as text; "": for ever
--   content_type  "" for a readable document: JSON as Celery writes it, which begins with {"status": "
--   encoding      the content encoding; "" with a readable document
--
-- As in Celery, the document is the value of the key, and is published on the channel of the same name. A stored
-- SUCCESS is final, and so is whatever the execution 2^53 - 1 says (LAST_WORD), which replaces nothing final. An older
-- execution never replaces a newer one, except a final state one that is not. The execution travels in a last field of
-- a readable document, which Celery does not look at. Of any other document, what the server has to know is beside it,
-- in the hash celeriac.result.{<key>}: state, execution, content_type, encoding.
-- Lua hashes every byte of each new string, so a document is made anew only where its execution has to be another.
local last_word = 9007199254740991
local final_states = {SUCCESS = true, FAILURE = true, REVOKED = true}

local function label_of(key)
    if string.find(key, '{', 1, true) then
        return 'celeriac.result.' .. key
    end
    return 'celeriac.result.{' .. key .. '}'
end

-- Return the state and the execution of a stored document, and its label if it has one.
local function known_of(key, document)
    local state = string.match(document, '^{"status": ?"([^"]*)"')
    if state then
        return state, tonumber(string.match(string.sub(document, -48), '"celeriac%-execution": (%d+)}$') or 0), nil
    end
    local label = label_of(key)
    local known = redis.call('HMGET', label, 'state', 'execution')
    return known[1], tonumber(known[2] or 0), label
end

local function store_result(key, document, execution, state, lifetime, content_type, encoding)
    local fence = execution
    local old_label = nil
    local old = redis.call('GET', key)
    if old then
        local old_state, old_execution
        old_state, old_execution, old_label = known_of(key, old)
        local number = tonumber(execution)
        if old_state == 'SUCCESS' or old_execution == last_word or (number == last_word and final_states[old_state]) then
            return 0
        end
        if number < old_execution then
            if number ~= 0 and not (final_states[state] and not final_states[old_state]) then
                return 0
            end
            fence = string.format('%.0f', old_execution)
        end
    end
    if content_type == '' then
        if fence ~= execution then
            local said = execution == '0' and 0 or #', "celeriac-execution": ' + #execution
            document = string.sub(document, 1, -2 - said) .. ', "celeriac-execution": ' .. fence .. '}'
        end
        if old_label then
            redis.call('DEL', old_label)
        end
    else
        local label = label_of(key)
        redis.call('HSET', label, 'state', state, 'execution', fence, 'content_type', content_type, 'encoding', encoding)
        if lifetime == '' then
            redis.call('PERSIST', label)
        else
            redis.call('PEXPIRE', label, lifetime)
        end
    end
    if lifetime == '' then
        redis.call('SET', key, document)
    else
        redis.call('SET', key, document, 'PX', lifetime)
    end
    redis.call('PUBLISH', key, document)
    return 1
end
