import { mount } from "svelte";
import "../app.css";
import Books from "./Books.svelte";

const target = document.getElementById("app");
if (target === null) throw new Error("books/index.html has no #app");
mount(Books, { target });
