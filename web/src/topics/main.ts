import { mount } from "svelte";
import "../app.css";
import Topics from "./Topics.svelte";

const target = document.getElementById("app");
if (target === null) throw new Error("topics/index.html has no #app");
mount(Topics, { target });
