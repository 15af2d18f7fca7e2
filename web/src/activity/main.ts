import { mount } from "svelte";
import "../app.css";
import Activity from "./Activity.svelte";

const target = document.getElementById("app");
if (target === null) throw new Error("activity/index.html has no #app");
mount(Activity, { target });
