// While somebody fills in the form of a periodic task, the server says what it means. Without this script it says so
// when the form is saved.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    // Milliseconds of rest after which a change is looked at.
    const REST = 250;

    const preview = document.querySelector(".celeriac-preview");
    const form = preview && preview.closest("form");
    let timer = null;
    let asking = null;

    // Return the box of a field, and the list of what is wrong with it that this script keeps there.
    function rowOf(name) {
        return form.querySelector(`.form-row.field-${CSS.escape(name)}`);
    }

    function showErrors(errors) {
        for (const row of form.querySelectorAll(".form-row")) {
            row.classList.remove("errors");
            for (const list of row.querySelectorAll("ul.errorlist")) {
                list.remove();
            }
        }
        for (const field of form.querySelectorAll("[aria-invalid=true]")) {
            field.removeAttribute("aria-invalid");
        }
        for (const [name, sentences] of Object.entries(errors)) {
            const row = rowOf(name);
            if (!row) {
                continue;
            }
            const list = document.createElement("ul");
            list.className = "errorlist";
            list.id = `id_${name}_error`;
            for (const sentence of sentences) {
                list.append(Object.assign(document.createElement("li"), { textContent: sentence }));
            }
            row.classList.add("errors");
            row.prepend(list);
            const folded = row.closest("details");
            if (folded) {
                folded.open = true;
            }
            const field = form.elements[name];
            if (field instanceof HTMLElement) {
                field.setAttribute("aria-invalid", "true");
            }
        }
    }

    function showTask(task) {
        const row = rowOf("task");
        let said = row.querySelector(".celeriac-said");
        if (!said) {
            said = Object.assign(document.createElement("div"), { className: "celeriac-said help" });
            said.setAttribute("aria-live", "polite");
            row.append(said);
        }
        said.replaceChildren();
        if (task && task.signature) {
            said.append(Object.assign(document.createElement("code"), { textContent: task.signature }), " ");
        }
        if (task) {
            said.append(task.sentence);
        }
    }

    // Ask what the form means now. With the page came what is wrong with it, also with fields that are still empty.
    async function ask(isFirst) {
        asking?.abort();
        const mine = asking = new AbortController();
        preview.classList.add("celeriac-asking");
        try {
            const answer = await fetch(preview.dataset.checkUrl, {
                method: "POST", body: new FormData(form), signal: mine.signal, credentials: "same-origin",
            });
            if (!answer.ok) {
                return;
            }
            const { errors, preview: text, task } = await answer.json();
            if (!isFirst) {
                showErrors(errors);
            }
            showTask(task);
            if (preview.innerHTML !== text) {
                preview.innerHTML = text;  // the server's own template, which escapes what people have written
            }
        } catch {
            // Away for a moment: the next change asks again, and saving checks everything anyway.
        } finally {
            if (asking === mine) {
                preview.classList.remove("celeriac-asking");
            }
        }
    }

    if (form) {
        const later = () => {
            clearTimeout(timer);
            timer = setTimeout(ask, REST, false);
        };
        form.addEventListener("input", later);
        form.addEventListener("change", later);
        ask(true);
    }
});
